import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

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
