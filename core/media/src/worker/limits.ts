import { type WasmMemory, webAssembly } from './web-assembly';

const PAGE_BYTES = 65_536;
/** Milliseconds between two looks at our own memory. */
const LOOK_MS = 25;

/**
 * Bounds every WebAssembly memory of this process: `resourceLimits` and `--max-old-space-size` do not count it.
 * @returns a way to ask whether the last growth was refused, since decoders report it in many words or none
 */
export function boundWasm(maxBytes: number): { refused(): boolean } {
  let refused = false;
  const { prototype } = webAssembly.Memory;
  const { grow } = prototype;
  prototype.grow = function (this: WasmMemory, pages: number): number {
    if (this.buffer.byteLength + pages * PAGE_BYTES > maxBytes) {
      refused = true;
      throw new RangeError('wasm memory limit');
    }
    const before = grow.call(this, pages);
    refused = false; // emscripten asks for more than it needs first, and takes less
    return before;
  };
  return { refused: () => refused };
}

/**
 * Watches resident memory, for the picture library, whose memory nothing inside Node counts. It decodes on threads of
 * its own, so this timer runs meanwhile. Where the kernel can bound the process, it does so as well (see the parent).
 */
export function boundMemory(maxBytes: number, exceeded: () => void): void {
  const timer = setInterval(() => {
    if (process.memoryUsage.rss() <= maxBytes) return;
    clearInterval(timer);
    exceeded();
  }, LOOK_MS);
  timer.unref();
}
