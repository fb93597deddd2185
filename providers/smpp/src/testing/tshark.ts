import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const PACKAGES = ['tshark', 'tcpdump'];
const TOOLS = ['/usr/bin/tshark', '/usr/bin/tcpdump'];

/**
 * Why traffic cannot be captured here; undefined if it can. As root on Debian the tools are installed by the test
 * itself, as other peers are (`ICTCORE_INSTALL_PEERS=0` forbids it).
 */
export function whyNoCapture(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can capture traffic';
  if (TOOLS.every(existsSync)) return undefined;
  const args = ['install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120', ...PACKAGES];
  if (process.env.ICTCORE_INSTALL_PEERS === '0') return `not installed: apt-get ${args.join(' ')}`;
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    execFileSync('apt-get', args, { env, timeout: 180_000, stdio: 'pipe' });
    return TOOLS.every(existsSync) ? undefined : 'tshark or tcpdump is still missing';
  } catch (error) {
    return `tshark could not be installed: ${(error as Error).message.split('\n')[0]}`;
  }
}

/** A capture of the traffic with one port on loopback. */
export class Capture {
  private constructor(
    private readonly dir: string,
    private readonly port: number,
    private readonly child: ChildProcess,
  ) {}

  static async start(port: number): Promise<Capture> {
    const dir = await mkdtemp(join(tmpdir(), 'smpp-capture-'));
    const args = [
      '-i',
      'lo',
      '-U',
      '--immediate-mode',
      // Immediate mode keeps slots of the largest packet: with the usual 2 MB there are 8 of them, and packets are lost.
      ...['-s', '70000', '-B', '32768'],
      '-Z',
      'root',
      '-w',
      join(dir, 'pcap'),
      'tcp',
      'port',
      String(port),
    ];
    const child = spawn('/usr/bin/tcpdump', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    await new Promise<void>((resolve, reject) => {
      let said = '';
      child.stderr?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes('listening on')) resolve();
      });
      child.once('exit', () => reject(new Error(`tcpdump ended: ${said}`)));
    });
    return new Capture(dir, port, child);
  }

  /** Ends the capture. */
  async end(): Promise<void> {
    // Packets that have been sent need a moment to reach the file.
    await new Promise((resolve) => setTimeout(resolve, 300));
    await new Promise((resolve) => {
      this.child.once('exit', resolve);
      this.child.kill('SIGINT');
    });
  }

  /** Values of fields in every frame that a display filter selects, as tshark decodes them: a row a frame. */
  async decode(filter: string, fields: readonly string[]): Promise<string[][]> {
    const wanted = fields.flatMap((field) => ['-e', field]);
    const args = [
      '-r',
      join(this.dir, 'pcap'),
      '-d',
      `tcp.port==${this.port},smpp`,
      '-Y',
      filter,
      '-T',
      'fields',
      ...wanted,
    ];
    const { stdout } = await promisify(execFile)('/usr/bin/tshark', args, { maxBuffer: 50_000_000, timeout: 60_000 });
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\t'));
  }

  dispose(): Promise<void> {
    this.child.kill('SIGKILL');
    return rm(this.dir, { recursive: true, force: true });
  }
}
