import { createServer, request, type Server, type ServerResponse } from 'node:http';

/**
 * A FAKE smsbox for answers and faults that a real one does not show at will; with `forwardTo` a recorder in front of a
 * real one.
 */
export class FaultyKannel {
  /** Queries as they came. */
  readonly queries: URLSearchParams[] = [];
  /** What to answer; nothing at all if it does not end the response. */
  answer: (response: ServerResponse, query: URLSearchParams) => void = (response) => {
    response.writeHead(202).end('0: Accepted for delivery');
  };

  private constructor(private readonly server: Server) {}

  static async start(forwardTo?: number): Promise<FaultyKannel> {
    const server = createServer();
    const kannel = new FaultyKannel(server);
    server.on('request', (incoming, response: ServerResponse) => {
      const url = new URL(incoming.url ?? '/', 'http://127.0.0.1');
      kannel.queries.push(url.searchParams);
      if (forwardTo === undefined) {
        kannel.answer(response, url.searchParams);
        return;
      }
      const onward = request({ host: '127.0.0.1', port: forwardTo, path: incoming.url }, (answer) => {
        response.writeHead(answer.statusCode ?? 500);
        answer.pipe(response);
      });
      onward.on('error', () => response.destroy());
      onward.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return kannel;
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
