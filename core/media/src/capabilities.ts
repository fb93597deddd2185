import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type OfficeTools, officeCommand } from './office';
import type { Scratch } from './scratch';
import { findTool, outputOf } from './tools';

/** What can be done here with one group of formats. */
export interface FormatCapability {
  readonly available: boolean;
  /** File extensions. */
  readonly formats: readonly string[];
  /** Who does it. */
  readonly by: string;
  /** Why not, and what to install. Only when it is not available. */
  readonly install?: string;
}

/** What this server can convert, for `GET system/capabilities`. */
export interface MediaCapabilities {
  readonly fax: FormatCapability;
  readonly voice: FormatCapability;
  readonly office: FormatCapability;
  readonly html: FormatCapability;
  /** True when the kernel bounds the memory of workers (`prlimit` of util-linux); otherwise they bound themselves. */
  readonly hardMemoryLimit: boolean;
  /** True when office documents are converted without network and without sight of the server's files. */
  readonly sandbox: boolean;
}

/** What was found, and the programs behind it. */
export interface Probe {
  readonly capabilities: MediaCapabilities;
  readonly office: OfficeTools | undefined;
}

const OFFICE_FORMATS = ['doc', 'docx', 'odt', 'rtf', 'xls', 'xlsx', 'ods', 'ppt', 'pptx', 'odp'];

/** Looks for the optional programs and tries each one: a program that is there but does not start is not there. */
export async function probe(scratch: Scratch, prlimit: string | undefined, allowUnsandboxed: boolean): Promise<Probe> {
  const soffice = await findTool('soffice', 'libreoffice');
  const bwrap = await workingBubblewrap();
  const tools = soffice && (bwrap || allowUnsandboxed) ? { soffice, bwrap, prlimit } : undefined;
  const version = tools && (await scratch.with((directory) => officeVersion(tools, directory)));
  const missing = [soffice ? '' : 'libreoffice', bwrap ? '' : 'bubblewrap'].filter(Boolean).join(' and ');
  const by = version ?? 'LibreOffice';
  const absent = { available: false, by, install: missing || 'a LibreOffice that starts' };
  const office = version === undefined ? undefined : tools;
  return {
    office,
    capabilities: {
      fax: { available: true, by: 'built in', formats: ['pdf', 'tiff', 'png', 'jpg', 'gif', 'bmp', 'txt'] },
      voice: { available: true, by: 'built in', formats: ['wav', 'mp3', 'ogg', 'opus', 'flac'] },
      office: { formats: OFFICE_FORMATS, ...(office ? { available: true, by } : absent) },
      html: { formats: ['html'], ...(office?.bwrap ? { available: true, by } : absent) },
      hardMemoryLimit: prlimit !== undefined,
      sandbox: bwrap !== undefined,
    },
  };
}

/** Path of util-linux's `prlimit`, where it is there and works. */
export async function findPrlimit(): Promise<string | undefined> {
  const path = process.platform === 'linux' ? await findTool('prlimit') : undefined;
  return path && (await outputOf(path, ['--core=0', '--data=1000000000', '--', path, '--version'])) ? path : undefined;
}

/** Containers often forbid the name spaces it needs. */
async function workingBubblewrap(): Promise<string | undefined> {
  const path = process.platform === 'linux' ? await findTool('bwrap') : undefined;
  const libraries = ['/bin', '/lib', '/lib64'].flatMap((folder) => ['--ro-bind-try', folder, folder]);
  const args = ['--unshare-all', '--ro-bind', '/usr', '/usr', ...libraries, '--proc', '/proc', '/usr/bin/env', '-0'];
  return path && (await outputOf(path, args)) !== undefined ? path : undefined;
}

async function officeVersion(tools: OfficeTools, directory: string): Promise<string | undefined> {
  const place = join(directory, 'office');
  await mkdir(place);
  const { command, args } = await officeCommand(tools, place, ['--headless', '--version']);
  const words = await outputOf(command, args);
  return /LibreOffice [\d.]+/.exec(words ?? '')?.[0];
}
