import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type KannelPeer, startKannel } from './kannel.peer';
import { listeningAddresses } from './listeners';
import { describeWithPeer } from './peer-availability';
import { freePort, LOOPBACK, processesIn, waitFor } from './peer-process';
import { type SmscPeer, startSmppSmsc } from './smsc.peer';

describeWithPeer(['kannel', 'smsc'], 'Kannel', () => {
  let smsc: SmscPeer;
  let kannel: KannelPeer;
  let callbacks: Server;
  let base = '';
  const requests: { url: URL; body: Buffer }[] = [];

  beforeAll(async () => {
    const port = await freePort();
    base = `http://${LOOPBACK}:${port}`;
    callbacks = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        requests.push({ url: new URL(request.url ?? '/', base), body: Buffer.concat(chunks) });
        response.end('');
      });
    });
    await new Promise<void>((resolve) => callbacks.listen(port, LOOPBACK, resolve));
    smsc = await startSmppSmsc();
    kannel = await startKannel({ smsc, inboundUrl: `${base}/mo?from=%p&to=%P` });
  });
  afterAll(async () => {
    await kannel?.stop();
    await smsc?.stop();
    callbacks?.closeAllConnections();
    await new Promise((resolve) => callbacks.close(resolve));
  });

  const sendsms = (fields: Record<string, string>) => {
    const query = new URLSearchParams({ username: kannel.username, password: kannel.password, ...fields });
    return fetch(`http://${kannel.host}:${kannel.port}/cgi-bin/sendsms?${query}`);
  };
  const callback = (what: string, wanted: (url: URL) => boolean) =>
    waitFor(what, 5000, () => requests.find(({ url }) => wanted(url)));

  test('sends a message through the SMSC and calls back with both receipts', async () => {
    const dlr = `${base}/dlr?spool=42&type=%d&reply=%A`;
    const sent = await sendsms({ from: '100', to: '4477001', text: 'hello', 'dlr-mask': '31', 'dlr-url': dlr });
    expect(sent.status).toBe(202);
    const [submit] = await smsc.waitForEvents('submit', 1);
    expect(submit).toMatchObject({ from: '100', to: '4477001', hex: Buffer.from('hello').toString('hex') });
    await callback('acceptance by the SMSC', (url) => url.searchParams.get('type') === '8');
    const delivered = await callback('delivery', (url) => url.searchParams.get('type') === '1');
    expect(delivered.url.searchParams.get('spool')).toBe('42');
  });

  test('refuses wrong credentials', async () => {
    expect((await sendsms({ password: 'wrong', to: '1', text: 'x' })).status).toBe(403);
  });

  test('posts an inbound message', async () => {
    await smsc.inbound({ from: '4477002', to: '100', message: Buffer.from('reply') });
    const { url, body } = await callback('the inbound message', (each) => each.pathname === '/mo');
    expect([url.searchParams.get('from'), url.searchParams.get('to'), body.toString()]).toEqual([
      '4477002',
      '100',
      'reply',
    ]);
  });

  test('listens on loopback only, comes back after a kill, stop leaves nothing', async () => {
    expect(listeningAddresses(kannel.dir)).toEqual(['0100007F']);
    await kannel.kill();
    await expect(sendsms({ from: '100', to: '1', text: 'x' })).rejects.toThrow('fetch failed');
    await kannel.restart();
    expect((await sendsms({ from: '100', to: '1', text: 'x' })).status).toBe(202);
    await kannel.stop();
    expect(processesIn(kannel.dir)).toEqual([]);
    expect(existsSync(kannel.dir)).toBe(false);
  });
});
