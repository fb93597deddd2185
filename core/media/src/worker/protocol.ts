import type { MediaErrorCode } from '../media-error';
import type { FaxEncoding, FaxMode, FaxPaper, FaxQuality, MediaFile } from '../types';

/** Limits the worker puts on itself; the parent's clock and the kernel's limits stand behind them. */
export interface WorkerLimits {
  /** Resident memory of the process, bytes. */
  readonly memoryBytes: number;
  /** Memory of one WebAssembly instance, bytes. */
  readonly wasmBytes: number;
  /** Pixels of one source picture. */
  readonly pixels: number;
  /** Bytes of the result. */
  readonly outputBytes: number;
}

/** A conversion, complete. Paths are absolute; `output` does not exist yet. */
export type WorkerJob =
  | {
      readonly kind: 'fax';
      readonly inputs: readonly MediaFile[];
      readonly output: string;
      readonly quality: FaxQuality;
      readonly mode: FaxMode;
      readonly encoding: FaxEncoding;
      readonly paper: FaxPaper;
      readonly maxPages: number;
    }
  | {
      readonly kind: 'voice';
      readonly inputs: readonly MediaFile[];
      readonly output: string;
      readonly maxSeconds: number;
    }
  | { readonly kind: 'fax-to-pdf'; readonly input: string; readonly output: string; readonly maxPages: number }
  | {
      readonly kind: 'preview';
      readonly input: MediaFile;
      readonly output: string;
      readonly page: number;
      readonly width: number;
      readonly format: 'png' | 'jpeg';
    }
  | { readonly kind: 'count'; readonly input: MediaFile };

/** What the parent sends, once. */
export interface WorkerOrder {
  readonly job: WorkerJob;
  /** Where it may write. */
  readonly directory: string;
}

/** What the worker sends: any number of signs of life, then one end. */
export type WorkerMessage =
  | { readonly type: 'progress' }
  | { readonly type: 'done'; readonly result: unknown }
  | WorkerFailure;

/** Why there is no result. */
export interface WorkerFailure {
  readonly type: 'failed';
  readonly code: MediaErrorCode;
  /** For the user. */
  readonly message: string;
  /** For the log. */
  readonly detail?: string;
}

/** Called after each page or second of sound, so that a job that stands still can be told from a long one. */
export type Progress = () => void;
