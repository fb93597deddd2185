import { setMaxListeners } from 'node:events';
import { copyFile, rename, rm, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { findPrlimit, type MediaCapabilities, type Probe, probe } from './capabilities';
import { MediaError } from './media-error';
import { ACCEPTED_TYPES, type MediaKind } from './media-types';
import { officeToPdf, toolMissing } from './office';
import { Scratch } from './scratch';
import { Slots } from './slots';
import { type Declared, type Sniffed, sniff } from './sniff';
import { SniffThread } from './sniff-thread';
import type {
  CallOptions,
  FaxOptions,
  FaxResult,
  MediaFile,
  PagesResult,
  PreviewOptions,
  PreviewResult,
  VoiceOptions,
  VoiceResult,
} from './types';
import type { WorkerJob, WorkerLimits } from './worker/protocol';
import { WorkerProcesses } from './worker-process';

/** Settings of a converter; each but the first has a default that suits a small server. */
export interface MediaConverterOptions {
  /**
   * Directory for the conversions' scratch directories, absolute; made when it is missing. No default: a guessable
   * name below /tmp is open to every user of the machine. Best on the file system of the results.
   */
  readonly scratchRoot: string;
  /** Conversions at the same time; the others wait. Default: one less than there are processors, at least 1. */
  readonly workers?: number;
  /** Milliseconds a conversion may take; default 60,000. Waiting in line does not count. */
  readonly timeMs?: number;
  /** Milliseconds a conversion may take for one page, or one second of sound; default 15,000. */
  readonly stallMs?: number;
  /** Bytes of memory a conversion may use; default 768 MiB. */
  readonly memoryBytes?: number;
  /** Pixels of one source picture; default 120,000,000. */
  readonly maxPixels?: number;
  /** Bytes of a result; default 512 MiB. */
  readonly maxOutputBytes?: number;
  /**
   * Convert office documents although there is no sandbox: such documents can then read the server's files. For
   * servers where the whole process lives in a container of its own. Default false.
   */
  readonly allowUnsandboxedOffice?: boolean;
  /**
   * Keep one worker process (60 MB) loaded for the next conversion once there was a first: it saves a tenth of a
   * second. Default true.
   */
  readonly keepWarm?: boolean;
}

/** What one job needs from the converter. */
interface JobContext {
  readonly directory: string;
  readonly deadline: number;
  readonly signal: AbortSignal;
}

const DEFAULT_TIME_MS = 60_000;
const DEFAULT_STALL_MS = 15_000;
const DEFAULT_MEMORY = 768 * 2 ** 20;
const DEFAULT_PIXELS = 120_000_000;
const DEFAULT_OUTPUT = 512 * 2 ** 20;
const DEFAULT_PAGES = 500;
const DEFAULT_SECONDS = 1800;
/** Received faxes are ours and not limited as uploads are. */
const FAX_PDF_PAGES = 10_000;

/**
 * Converts uploaded media into what telephony needs. Every conversion runs in a process of its own, bounded in time
 * and memory, with a scratch directory that is removed however it ends. All methods that convert reject with a
 * {@link MediaError} (or the abort reason) and leave no output file behind when they do.
 *
 * @example
 * const media = new MediaConverter({ scratchRoot: '/var/lib/ictcore/scratch' });
 * const type = await media.sniff(upload, { mediaType: 'application/pdf', fileName: 'offer.pdf' });
 * if (type.ok) await media.convertToFax([{ path: upload, mediaType: type.mediaType }], { quality: 'fine' }, 'offer.tif');
 * await media.close();
 */
export class MediaConverter {
  private readonly options: MediaConverterOptions;
  private readonly limits: WorkerLimits;
  private readonly scratch: Scratch;
  private readonly slots: Slots;
  private readonly workers: WorkerProcesses;
  private readonly timeMs: number;
  private readonly sniffer = new SniffThread();
  private readonly closing = new AbortController();
  private readonly running = new Set<Promise<unknown>>();
  private prlimit: Promise<string | undefined> | undefined;
  private probed: Promise<Probe> | undefined;

  constructor(options: MediaConverterOptions) {
    this.options = options;
    setMaxListeners(0, this.closing.signal); // every job that waits or runs listens
    const memoryBytes = options.memoryBytes ?? DEFAULT_MEMORY;
    this.limits = {
      memoryBytes,
      wasmBytes: Math.round((memoryBytes * 2) / 3),
      pixels: options.maxPixels ?? DEFAULT_PIXELS,
      outputBytes: options.maxOutputBytes ?? DEFAULT_OUTPUT,
    };
    this.timeMs = options.timeMs ?? DEFAULT_TIME_MS;
    const { stallMs = DEFAULT_STALL_MS, keepWarm = true } = options;
    this.workers = new WorkerProcesses({ limits: this.limits, timeMs: this.timeMs, stallMs, keepWarm });
    this.scratch = new Scratch(options.scratchRoot);
    this.slots = new Slots(options.workers ?? Math.max(1, availableParallelism() - 1));
  }

  /** Tells what an upload is, or why it is refused (415). The source is a path, or the head of the file. */
  sniff(source: string | Buffer, declared: Declared = {}): Promise<Sniffed> {
    return sniff(this.sniffer, source, declared);
  }

  /** What this server can convert, and what to install for the rest. Looked up once. */
  async capabilities(): Promise<MediaCapabilities> {
    return (await this.probe()).capabilities;
  }

  /** Removes scratch directories of servers that were killed. For the start of the server. */
  sweep(): Promise<number> {
    return this.scratch.sweep();
  }

  /**
   * Makes one fax TIFF (class F, one strip a page, min-is-white) of all inputs, in their order; landscape pages are
   * turned to portrait. Pages that are fax pages of that quality already are kept bit by bit.
   * @param out path of the TIFF; replaced in one step when all went well
   */
  convertToFax(inputs: readonly MediaFile[], options: FaxOptions & CallOptions, out: string): Promise<FaxResult> {
    const { quality, mode = 'auto', encoding = 'g4', paper = 'a4', maxPages = DEFAULT_PAGES } = options;
    return this.job(options.signal, async (context) => {
      await this.check(inputs, 'document');
      const pages = await this.withoutOffice(inputs, context);
      const output = join(context.directory, 'out.tif');
      const job: WorkerJob = { kind: 'fax', inputs: pages, output, quality, mode, encoding, paper, maxPages };
      return this.deliver<FaxResult>(job, output, out, context);
    });
  }

  /** Makes one WAV for the telephone (8 kHz, mono, 16 bits) of all inputs, one after the other. */
  convertToVoice(inputs: readonly MediaFile[], options: VoiceOptions & CallOptions, out: string): Promise<VoiceResult> {
    return this.job(options.signal, async (context) => {
      await this.check(inputs, 'recording');
      const output = join(context.directory, 'out.wav');
      const maxSeconds = options.maxSeconds ?? DEFAULT_SECONDS;
      return this.deliver<VoiceResult>({ kind: 'voice', inputs, output, maxSeconds }, output, out, context);
    });
  }

  /** Makes a PDF of a fax TIFF, ours or a received one. The pages have their true size; no pixel changes. */
  faxToPdf(tiff: string, out: string, options: CallOptions = {}): Promise<PagesResult> {
    return this.job(options.signal, async (context) => {
      await this.check([{ path: tiff, mediaType: 'image/tiff' }], 'document');
      const output = join(context.directory, 'out.pdf');
      const job: WorkerJob = { kind: 'fax-to-pdf', input: tiff, output, maxPages: FAX_PDF_PAGES };
      return this.deliver<PagesResult>(job, output, out, context);
    });
  }

  /** Draws one page of a TIFF or PDF with square pixels. */
  pagePreview(input: MediaFile, options: PreviewOptions & CallOptions, out: string): Promise<PreviewResult> {
    const { page, format = 'png', width = 800 } = options;
    if (!Number.isInteger(page) || page < 1) throw new RangeError('pages are counted from 1');
    if (!Number.isInteger(width) || width < 16 || width > 4000) throw new RangeError('width is 16 to 4000 pixels');
    return this.job(options.signal, async (context) => {
      await this.check([input], 'document');
      if (!isPaged(input)) throw unpaged(input);
      const output = join(context.directory, `out.${format}`);
      const job: WorkerJob = { kind: 'preview', input, output, page, width, format };
      return this.deliver<PreviewResult>(job, output, out, context);
    });
  }

  /** Pages of a PDF or TIFF; 1 for other pictures. */
  countPages(input: MediaFile, options: CallOptions = {}): Promise<number> {
    return this.job(options.signal, async (context) => {
      await this.check([input], 'document');
      if (!isPaged(input) && !input.mediaType.startsWith('image/')) throw unpaged(input);
      const { pages } = (await this.work({ kind: 'count', input }, context)) as { pages: number };
      return pages;
    });
  }

  /** Kills what runs, refuses what comes, and waits until nothing is left on disk. */
  async close(): Promise<void> {
    this.closing.abort(new Error('the media converter is closed'));
    await Promise.allSettled([...this.running]);
    this.workers.close();
    await this.sniffer.close();
  }

  private job<T>(signal: AbortSignal | undefined, run: (context: JobContext) => Promise<T>): Promise<T> {
    const both = signal ? AbortSignal.any([signal, this.closing.signal]) : this.closing.signal;
    const job = this.slots.with(both, () =>
      this.scratch.with((directory) => run({ directory, deadline: Date.now() + this.timeMs, signal: both })),
    );
    this.running.add(job);
    const forget = (): boolean => this.running.delete(job);
    job.then(forget, forget);
    return job;
  }

  private async check(inputs: readonly MediaFile[], kind: MediaKind): Promise<void> {
    if (inputs.length === 0) throw new MediaError('MEDIA_NOT_CONVERTIBLE', 'There is no file to convert.');
    for (const { path, mediaType } of inputs) {
      if (ACCEPTED_TYPES.get(mediaType)?.kind !== kind) {
        throw new MediaError('MEDIA_TYPE_UNSUPPORTED', `A file of type ${mediaType} cannot be used as a ${kind}.`);
      }
      const info = await stat(path);
      if (!info.isFile()) throw new TypeError(`not a regular file: ${path}`);
      if (info.size === 0) throw new MediaError('MEDIA_NOT_CONVERTIBLE', 'The file is empty.');
    }
  }

  /** Office documents and HTML become PDF first, one after the other. */
  private async withoutOffice(inputs: readonly MediaFile[], context: JobContext): Promise<MediaFile[]> {
    const result: MediaFile[] = [];
    for (const [i, input] of inputs.entries()) {
      const type = ACCEPTED_TYPES.get(input.mediaType);
      if (type?.family !== 'office' && type?.family !== 'html') {
        result.push(input);
        continue;
      }
      const { office: tools, capabilities } = await this.probe();
      if (!tools) throw toolMissing(`This server cannot convert ${type.extension}.`, capabilities.office.install ?? '');
      const { signal, directory } = context;
      const timeMs = Math.max(1, context.deadline - Date.now());
      const run = { tools, directory: join(directory, `office-${i}`), timeMs, signal };
      result.push(await officeToPdf(input, { ...run, outputBytes: this.limits.outputBytes }));
    }
    return result;
  }

  private async deliver<T>(job: WorkerJob, made: string, out: string, context: JobContext): Promise<T> {
    const result = await this.work(job, context);
    context.signal.throwIfAborted();
    await moveFile(made, out);
    return result as T;
  }

  private async work(job: WorkerJob, { directory, deadline, signal }: JobContext): Promise<unknown> {
    this.prlimit ??= findPrlimit();
    const prlimit = await this.prlimit;
    const timeMs = Math.max(1, deadline - Date.now());
    return this.workers.run({ job, directory, timeMs, signal }, prlimit);
  }

  private probe(): Promise<Probe> {
    this.prlimit ??= findPrlimit();
    this.probed ??= this.prlimit.then((prlimit) =>
      probe(this.scratch, prlimit, this.options.allowUnsandboxedOffice ?? false),
    );
    return this.probed;
  }
}

function isPaged({ mediaType }: MediaFile): boolean {
  return mediaType === 'application/pdf' || mediaType === 'image/tiff';
}

function unpaged({ mediaType }: MediaFile): MediaError {
  return new MediaError('MEDIA_TYPE_UNSUPPORTED', `A file of type ${mediaType} has no pages to show.`);
}

/** Puts the result in its place in one step, also across file systems. */
async function moveFile(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    const near = `${to}.${process.pid}.partial`;
    try {
      await copyFile(from, near);
      await rename(near, to);
    } finally {
      await rm(near, { force: true });
    }
  }
}
