/**
 * The process that converts one file: it is started for one job, gets it by message, answers by message and ends.
 * A process and not a thread, for three facts: only a process can be bounded in memory by the kernel (a thread's
 * `resourceLimits` count neither WebAssembly nor the picture library), only a process can be killed inside native
 * code, and a decoder that crashes takes only this process with it.
 */
import { runVoiceJob } from '../audio/voice-job';
import { MediaError } from '../media-error';
import { boundMemory, boundWasm } from './limits';
import type { Progress, WorkerFailure, WorkerJob, WorkerLimits, WorkerMessage, WorkerOrder } from './protocol';
import { webAssembly } from './web-assembly';

const MEMORY_MESSAGE = 'The file needs too much memory to convert. Make it simpler, or split it.';
const OUT_OF_MEMORY = new MediaError('MEDIA_MEMORY', MEMORY_MESSAGE, 'memory limit of the worker');

function send(message: WorkerMessage, then?: () => void): void {
  process.send?.(message, () => then?.());
}

async function run(job: WorkerJob, limits: WorkerLimits): Promise<unknown> {
  const progress: Progress = () => send({ type: 'progress' });
  if (job.kind === 'voice') return runVoiceJob(job, progress);
  if (job.kind === 'fax') return (await import('../fax/fax-job.js')).runFaxJob(job, limits, progress);
  if (job.kind === 'fax-to-pdf') return (await import('../fax/fax-to-pdf.js')).runFaxToPdf(job, limits, progress);
  const { runCount, runPreview } = await import('../fax/preview-job.js');
  return job.kind === 'preview' ? runPreview(job, limits) : runCount(job);
}

/** Gives every failure a code and words a user can act on. */
function toFailure(error: unknown, job: WorkerJob, limits: WorkerLimits): WorkerFailure {
  const detail = error instanceof Error ? error.message : String(error);
  const failed = (code: MediaError['code'], message: string): WorkerFailure => ({
    type: 'failed',
    code,
    message,
    detail: detail.slice(0, 500),
  });
  if (error instanceof MediaError) {
    return { ...failed(error.code, error.message), detail: (error.detail ?? detail).slice(0, 500) };
  }
  if (/pixel limit|image dimensions exceed|exceeds? pixel/i.test(detail)) {
    return failed('MEDIA_TOO_LARGE', `The picture has more than ${Math.round(limits.pixels / 1e6)} megapixels.`);
  }
  if (/would be too large/.test(detail)) return failed('MEDIA_TOO_LARGE', 'The result would be too large.');
  if (isOutOfMemory(error, detail)) return failed('MEDIA_MEMORY', MEMORY_MESSAGE);
  if (job.kind === 'voice') return failed('MEDIA_NOT_CONVERTIBLE', `The recording cannot be read: ${detail}.`);
  return failed('MEDIA_NOT_CONVERTIBLE', 'The file is damaged and cannot be converted.');
}

function isOutOfMemory(error: unknown, detail: string): boolean {
  return (
    /out of memory|memory limit|allocation failed|cannot enlarge memory|error creating thread|\bOOM\b/i.test(detail) ||
    (error instanceof RangeError && /array buffer|invalid typed array length|array length/i.test(detail)) ||
    // PDFium aborts when the heap may not grow; emscripten says only this much.
    (error instanceof webAssembly.RuntimeError && /abort|unreachable/i.test(detail))
  );
}

process.once('disconnect', () => process.exit(1)); // the server is gone
const limits = JSON.parse(process.argv[2] ?? '{}') as WorkerLimits;
// Emscripten prints a page on each abort; the parent gets one message instead.
for (const method of ['log', 'warn', 'error', 'info', 'debug'] as const) console[method] = () => undefined;
const wasm = boundWasm(limits.wasmBytes);
// A process without a job yet gets ready for one. What fails here will fail again when a job needs it.
if (process.argv[3] === 'spare') import('./warm-up.js').then(({ warmUp }) => warmUp()).catch(() => undefined);

process.once('message', ({ job, directory }: WorkerOrder) => {
  send({ type: 'progress' }); // the job is taken
  process.chdir(directory);
  for (const name of ['HOME', 'TMPDIR', 'XDG_CACHE_HOME']) process.env[name] = directory;
  const end = (message: WorkerMessage): void => send(message, () => process.exit(message.type === 'done' ? 0 : 1));
  const fail = (error: unknown): void => end(toFailure(wasm.refused() ? OUT_OF_MEMORY : error, job, limits));
  boundMemory(limits.memoryBytes, () => fail(OUT_OF_MEMORY));
  process.once('uncaughtException', fail);
  process.once('unhandledRejection', fail);
  run(job, limits).then((result) => {
    // PDFium leaves out a picture it has no memory for, and says nothing: that is not a conversion.
    if (wasm.refused()) fail(OUT_OF_MEMORY);
    else end({ type: 'done', result });
  }, fail);
});
