/** The little of WebAssembly that is used here; TypeScript has its types only together with those of a browser. */

/** A WebAssembly memory; `grow` takes pages of 64 KiB and returns how many there were. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

interface WasmGlobal {
  readonly Memory: { readonly prototype: WasmMemory };
  readonly RuntimeError: new () => Error;
}

/** The global of that name. */
export const webAssembly = (globalThis as unknown as { readonly WebAssembly: WasmGlobal }).WebAssembly;
