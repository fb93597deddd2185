import { spawn } from 'node:child_process';
import { copyFile, mkdir, readFile, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MediaError } from './media-error';
import { ACCEPTED_TYPES } from './media-types';
import type { MediaFile } from './types';

/** The programs an office conversion is made of. */
export interface OfficeTools {
  readonly soffice: string;
  /** Path of bubblewrap; undefined = run without the sandbox, which the operator has to allow. */
  readonly bwrap: string | undefined;
  readonly prlimit: string | undefined;
}

/** Bounds of one office conversion. */
export interface OfficeRun {
  readonly tools: OfficeTools;
  /** An empty directory of its own. */
  readonly directory: string;
  readonly timeMs: number;
  readonly outputBytes: number;
  readonly signal: AbortSignal;
}

/** Bytes of address space: LibreOffice maps much, and uses less. */
const ADDRESS_SPACE = 4 * 2 ** 30;
const INSIDE = '/job';

/** What LibreOffice reads of the system: programs, libraries, fonts, its own settings. No users, hosts or keys. */
const READABLE = [
  '/bin',
  '/lib',
  '/lib64',
  '/etc/alternatives',
  '/etc/fonts',
  '/etc/ld.so.cache',
  '/etc/libreoffice',
  '/var/cache/fontconfig',
];

/**
 * The command that starts LibreOffice with these arguments in a sandbox: no network, no other process, no file but
 * the system's programs (read-only) and the given directory, which it sees as /job.
 */
export async function officeCommand(
  tools: OfficeTools,
  directory: string,
  args: readonly string[],
): Promise<{ command: string; args: string[]; inside: string }> {
  const inside = tools.bwrap ? INSIDE : directory;
  const office = [tools.soffice, `-env:UserInstallation=file://${inside}/profile`, ...args];
  if (!tools.bwrap) return { command: office[0] as string, args: office.slice(1), inside };
  const home = dirname(dirname(await realpath(tools.soffice)));
  const sandbox = [
    ...['--unshare-all', '--die-with-parent', '--new-session', '--clearenv', '--tmpfs', '/tmp'],
    ...['--ro-bind', '/usr', '/usr', '--ro-bind-try', home, home],
    ...READABLE.flatMap((path) => ['--ro-bind-try', path, path]),
    ...['--proc', '/proc', '--dev', '/dev', '--bind', directory, INSIDE, '--chdir', INSIDE],
    ...['--setenv', 'HOME', INSIDE, '--setenv', 'PATH', '/usr/bin:/bin', '--setenv', 'LANG', 'C.UTF-8'],
    '--',
    ...office,
  ];
  return { command: tools.bwrap, args: sandbox, inside };
}

/**
 * Turns an office document or HTML page into a PDF with LibreOffice.
 * @returns the PDF, in the run's directory
 * @throws MediaError, or `signal.reason` when aborted
 */
export async function officeToPdf(input: MediaFile, run: OfficeRun): Promise<MediaFile> {
  const { tools, directory } = run;
  const type = ACCEPTED_TYPES.get(input.mediaType);
  if (!type) throw new MediaError('MEDIA_TYPE_UNSUPPORTED', `Files of type ${input.mediaType} are not accepted.`);
  if (type.family === 'html') await refuseLocalLinks(input.path, tools);
  await mkdir(directory, { mode: 0o700 });
  const name = `in.${type.extension}`;
  await copyFile(input.path, join(directory, name));
  const inside = tools.bwrap ? INSIDE : directory;
  const options = ['--headless', '--norestore', '--nolockcheck', '--nodefault', '--nofirststartwizard'];
  // Read as a Writer document: as a "web" document a heading on the first line is lost.
  const filter = type.family === 'html' ? ['--infilter=HTML (StarWriter)'] : [];
  const convert = [...filter, '--convert-to', 'pdf', '--outdir', `${inside}/out`, `${inside}/${name}`];
  const { command, args } = await officeCommand(tools, directory, [...options, ...convert]);
  const words = await execute(command, args, run);
  const path = join(directory, 'out', 'in.pdf');
  const made = await stat(path).catch(() => undefined);
  if (!made?.isFile() || made.size === 0) {
    const message = 'LibreOffice cannot convert the document: it is damaged, encrypted or empty.';
    throw new MediaError('MEDIA_NOT_CONVERTIBLE', message, words);
  }
  return { path, mediaType: 'application/pdf' };
}

/** The sandbox has nothing to steal; a page that tries gets a plain answer instead of a page with holes. */
async function refuseLocalLinks(path: string, tools: OfficeTools): Promise<void> {
  if (!tools.bwrap) throw toolMissing('HTML pages are converted only in a sandbox.', 'bubblewrap');
  const html = await readFile(path, 'utf8');
  if (/file\s*:/i.test(html)) {
    const message = 'The HTML page refers to files of the server ("file:"). Remove these references.';
    throw new MediaError('MEDIA_NOT_CONVERTIBLE', message);
  }
}

/** The error for a format this server has no program for. */
export function toolMissing(what: string, install: string): MediaError {
  return new MediaError('MEDIA_TOOL_MISSING', `${what} Install ${install} on the server, or upload a PDF instead.`);
}

/** Runs to the end and returns what was printed; the exit code is not trusted, the output file is looked at. */
function execute(command: string, args: readonly string[], run: OfficeRun): Promise<string> {
  const { tools, directory, timeMs, outputBytes, signal } = run;
  const seconds = Math.ceil(timeMs / 1000) * 2 + 1;
  const limits = [`--as=${ADDRESS_SPACE}`, `--cpu=${seconds}`, `--fsize=${outputBytes}`, '--core=0', '--nofile=1024'];
  const [program, all] = tools.prlimit ? [tools.prlimit, [...limits, '--', command, ...args]] : [command, [...args]];
  return new Promise((resolve, reject) => {
    // A group of its own: without the sandbox there are several processes to end.
    const child = spawn(program, all, {
      cwd: directory,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { HOME: directory, TMPDIR: directory, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' },
    });
    let words = '';
    let failure: { readonly reason: unknown } | undefined;
    const kill = (reason: unknown): void => {
      failure ??= { reason };
      if (child.pid !== undefined) killGroup(child.pid);
    };
    const timer = setTimeout(() => kill(timedOut(timeMs)), timeMs);
    const aborted = (): void => kill(signal.reason);
    signal.addEventListener('abort', aborted, { once: true });
    if (signal.aborted) aborted();
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data: Buffer) => {
        words = (words + data.toString('latin1')).slice(-2000);
      });
    }
    child.once('error', (error) => kill(error));
    child.once('close', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      if (failure) reject(failure.reason);
      else resolve(words.trim());
    });
  });
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Already gone.
  }
}

function timedOut(timeMs: number): MediaError {
  const message = `LibreOffice was given up after ${Math.round(timeMs / 1000)} seconds. Upload a PDF instead.`;
  return new MediaError('MEDIA_TIMEOUT', message);
}
