import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, RunningServer } from './support/running-server';
import { ROOT } from './support/shell-blocks';

/** Writes the package that a guide shows: each code block below a line that says `its/file.js`: */
function writePackage(guide: string, folder: string): void {
  const text = readFileSync(path.join(ROOT, guide), 'utf8');
  const files = [...text.matchAll(/^`([\w./-]+)`:\n\n```\w+\n([\s\S]*?)^```$/gm)];
  expect(files.map(([, name]) => name)).toEqual(expect.arrayContaining(['package.json', 'index.js']));
  for (const [, name, code] of files) {
    const file = path.join(folder, name as string);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, code as string);
  }
  mkdirSync(path.join(folder, 'node_modules', '@ictcore'), { recursive: true });
  symlinkSync(path.join(ROOT, 'core', 'contract'), path.join(folder, 'node_modules', '@ictcore', 'contract'));
}

/** A gateway that answers as its last digit says, and remembers what it was sent. */
class Gateway {
  readonly received: { authorization: string | undefined; body: Record<string, unknown> }[] = [];
  private readonly server = http.createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => {
      if (request.method === 'POST') {
        this.received.push({ authorization: request.headers.authorization, body: JSON.parse(text) });
      }
      response.statusCode = text.includes('0199"') ? 422 : 200;
      response.end(text.includes('0199"') ? 'no such number' : 'queued');
    });
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/send`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

describe('the packages that the guides show', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'ictcore-guides-'));
  const gateway = new Gateway();
  let url: string;
  let server: RunningServer;

  beforeAll(async () => {
    const packages = { remind: 'docs/guides/plugins.md', httpsms: 'docs/guides/providers.md' };
    for (const [name, guide] of Object.entries(packages)) writePackage(guide, path.join(folder, name));
    url = await gateway.start();
    const plugins = Object.keys(packages).map((name) => path.join(folder, name));
    server = await RunningServer.start({ env: { ICTCORE_PLUGINS: plugins.join(',') } });
  }, 60_000);
  afterAll(async () => {
    await server?.dispose();
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function sendReminder(phone: string): Promise<{ status: string; response: string }> {
    const admin = server.admin();
    const contact_id = await admin.post('/contacts', { first_name: 'Ada', phone });
    const program_id = await admin.post('/programs/remind', { what: 'the dentist at 9' });
    const id = await admin.post('/transmissions', { program_id, contact_id, send: 1 });
    return eventually(
      () => admin.get<{ status: string; response: string }>(`/transmissions/${id}`),
      ({ status }) => status === 'completed' || status === 'failed',
    );
  }

  test('both are active, with what they bring', async () => {
    const plugins = await server.admin().get<{ name: string }[]>('/system/plugins');
    expect(plugins).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          name: 'ictcore-plugin-remind',
          status: 'active',
          programs: ['remind'],
          problems: [],
        }),
        expect.objectContaining({ name: 'ictcore-provider-httpsms', status: 'active', drivers: ['httpsms'] }),
      ]),
    );
  });

  test('the plugin sends, hears that it arrived, and counts in its own table', async () => {
    expect(await sendReminder('+442079460123')).toMatchObject({ status: 'completed' });
    const counted = await eventually(
      () => server.admin().get<{ arrived: number }>('/remind/arrived'),
      ({ arrived }) => arrived > 0,
    );
    expect(counted).toEqual({ arrived: 1 });
    const stranger = await server.user('stranger');
    expect(await stranger.refusal('GET', '/remind/arrived')).toMatchObject({ status: 403 });
    expect(await server.admin().refusal('POST', '/programs/remind', { what: '' })).toMatchObject({ status: 412 });
  });

  test('the provider carries it, keeps its key secret, and names what the gateway says', async () => {
    const row = { type: 'httpsms', name: 'gateway', settings: { url, api_key: 'key-of-the-gateway' } };
    const id = await server.admin().post('/providers', row);
    const shown = await server.admin().request('GET', `/providers/${id}`);
    expect(shown.body).toMatchObject({ settings: { url, has_api_key: 1 } });
    expect(shown.text).not.toContain('key-of-the-gateway');
    expect(await server.admin().post(`/providers/${id}/test`)).toMatchObject({ state: 'ok' });

    expect(await sendReminder('+442079460124')).toMatchObject({ status: 'completed' });
    expect(gateway.received).toEqual([
      {
        authorization: 'Bearer key-of-the-gateway',
        body: expect.objectContaining({ to: '+442079460124', text: 'Ada, do not forget: the dentist at 9' }),
      },
    ]);
    const refused = await sendReminder('+442079460199');
    expect(refused).toMatchObject({ status: 'failed', response: '422 no such number' });

    await gateway.stop();
    expect(await sendReminder('+442079460125')).toMatchObject({ status: 'failed', response: 'connection refused' });
    expect(await server.admin().post(`/providers/${id}/test`)).toMatchObject({ state: 'error' });
  });
});
