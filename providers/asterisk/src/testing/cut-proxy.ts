import { createServer, type Server, Socket } from 'node:net';

/** Stands between a client and a real server and breaks the line between them, in the ways real lines break. */
export class CutProxy {
  private readonly pairs = new Set<{ client: Socket; server: Socket }>();
  private frozen = false;
  private cutBefore: { text: string; keep: number } | undefined;
  /** Connections so far. */
  connections = 0;
  /** What clients have sent, all of it. */
  sent = '';

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  /** Listens on a free port of 127.0.0.1 and passes everything on to `target`. */
  static async start(target: number): Promise<CutProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const proxy = new CutProxy(server, typeof address === 'object' && address ? address.port : 0);
    server.on('connection', (client) => proxy.join(client, target));
    return proxy;
  }

  /** Cuts all lines now. */
  cut(): void {
    for (const { client, server } of this.pairs) {
      client.destroy();
      server.destroy();
    }
  }

  /** Cuts the line when the server next sends `text`, after `keep` characters of it: in the middle of an event. */
  cutWithin(text: string, keep: number): void {
    this.cutBefore = { text, keep };
  }

  /** Nothing gets through in either direction, and nobody is told. */
  freeze(): void {
    this.frozen = true;
  }

  /** New lines work again. */
  thaw(): void {
    this.frozen = false;
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(client: Socket, target: number): void {
    this.connections += 1;
    const server = new Socket();
    const pair = { client, server };
    this.pairs.add(pair);
    const end = () => {
      this.pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('error', end).on('close', end);
    client.on('data', (chunk) => {
      this.sent += chunk.toString('latin1');
      if (!this.frozen) server.write(chunk);
    });
    server.on('data', (chunk) => {
      if (this.frozen) return;
      const at = this.cutBefore ? chunk.indexOf(this.cutBefore.text) : -1;
      if (!this.cutBefore || at < 0) return void client.write(chunk);
      const part = chunk.subarray(0, at + this.cutBefore.keep);
      this.cutBefore = undefined;
      client.write(part, end);
    });
    server.connect(target, '127.0.0.1');
  }
}
