import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { ApiClient } from './support/api-client';
import { endlessPdf, samplePdf, sampleWav } from './support/media-samples';
import { eventually, RunningServer } from './support/running-server';

interface Transmission {
  status: string;
  response: string;
  try_done: number;
}

interface Result {
  type: string;
  name: string;
  data: string;
}

interface MediaRow {
  status: string | null;
  status_detail: string;
  pages: number;
  has_media: number;
}

let server: RunningServer;
let api: ApiClient;

beforeAll(async () => {
  server = await RunningServer.start({ env: { ICTCORE_COMPANY_NAME: 'Müller & Söhne, Fax und Sprache' } });
  api = await server.user('ann');
}, 120_000);
afterAll(() => server.dispose());

/** The way of the fax client: a row, its media, a program. */
async function upload(kind: 'documents' | 'recordings', content: Buffer, mediaType: string): Promise<number> {
  const id = await api.post(`/${kind}`, { name: 'offer' });
  const answer = await api.request('POST', `/${kind}/${id}/media`, content, { 'Content-Type': mediaType });
  expect(answer).toMatchObject({ status: 200, body: id });
  return id;
}

async function send(programId: number, phone: string, more: object = {}): Promise<number> {
  const id = await api.post('/transmissions', { program_id: programId, phone, ...more });
  await api.post(`/transmissions/${id}/send`);
  return id;
}

function ended(id: number): Promise<Transmission> {
  return eventually(
    () => api.get<Transmission>(`/transmissions/${id}`),
    ({ status }) => !['pending', 'processing', 'pending_retry'].includes(status),
  );
}

async function resultsOf(id: number): Promise<Record<string, string>> {
  const rows = await api.get<Result[]>(`/transmissions/${id}/results`);
  return Object.fromEntries(rows.map((row) => [`${row.type} ${row.name}`, row.data]));
}

describe('fax', () => {
  let programId: number;
  beforeAll(async () => {
    const document_id = await upload('documents', samplePdf(3), 'application/pdf');
    programId = await api.post('/programs/sendfax', { document_id, name: 'offer' });
  });

  test('three pages arrive, and the results say so', async () => {
    const id = await send(programId, '+15550100');
    expect(await ended(id)).toMatchObject({ status: 'completed', try_done: 1 });
    expect(await resultsOf(id)).toEqual({ 'application fax_send': 'success', 'info pages': '3' });
    const [spool] = await api.get<{ amount: number; response: string }[]>(`/transmissions/${id}/detail`);
    expect(spool).toMatchObject({ amount: 3, response: expect.stringContaining('loopback') });
    expect(await api.get<{ transmission_id: number }[]>('/faxes')).toEqual(
      expect.arrayContaining([expect.objectContaining({ transmission_id: id })]),
    );
  });

  test('busy is tried again as often as allowed; a number that is none is not', async () => {
    const busy = await send(programId, '+15559901', { try_allowed: 2, retry_delay: 0 });
    expect(await ended(busy)).toMatchObject({ status: 'failed', try_done: 2, response: 'loopback: USER_BUSY' });
    expect(await resultsOf(busy)).toEqual({ 'application fax_send': 'error' });
    const wrong = await send(programId, '+15559903', { try_allowed: 3, retry_delay: 0 });
    expect(await ended(wrong)).toMatchObject({ status: 'failed', try_done: 1 });
  });

  test('accepted and reported on later', async () => {
    const id = await send(programId, '+15559911');
    expect(await ended(id)).toMatchObject({ status: 'completed' });
    expect(await resultsOf(id)).toMatchObject({ 'info pages': '3' });
  });

  test('a document without pages makes a program, but is not sent', async () => {
    const document_id = await api.post('/documents', { name: 'later' });
    const program = await api.post('/programs/sendfax', { document_id });
    const id = await api.post('/transmissions', { program_id: program, phone: '+15550101' });
    expect(await api.refusal('POST', `/transmissions/${id}/send`)).toMatchObject({
      status: 423,
      message: expect.stringContaining('no media yet'),
    });
    expect(await api.get(`/transmissions/${id}/status`)).toBe('pending');
    await api.request('PUT', `/documents/${document_id}/media`, samplePdf(1), { 'Content-Type': 'application/pdf' });
    await api.post(`/transmissions/${id}/send`);
    expect(await ended(id)).toMatchObject({ status: 'completed' });
    expect(await resultsOf(id)).toMatchObject({ 'info pages': '1' });
  });

  test('what is refused at create: other users’ documents, tokens, paths', async () => {
    const bob = await server.user('bob');
    const document_id = await upload('documents', samplePdf(1), 'application/pdf');
    expect(await bob.refusal('POST', '/programs/sendfax', { document_id })).toMatchObject({ status: 412 });
    for (const body of [{}, { document_id: '[document:document_id]' }, { file_name: '/etc/passwd' }]) {
      expect(await api.refusal('POST', '/programs/sendfax', body)).toMatchObject({
        status: 412,
        fields: ['document_id'],
      });
    }
  });

  test('deleting a document that is still needed is refused; its files go with it', async () => {
    const document_id = await upload('documents', samplePdf(1), 'application/pdf');
    const program = await api.post('/programs/sendfax', { document_id });
    const id = await api.post('/transmissions', { program_id: program, phone: '+15550102' });
    expect(await api.refusal('DELETE', `/documents/${document_id}`)).toMatchObject({ status: 423 });
    await api.delete(`/transmissions/${id}`);
    expect(await api.delete(`/documents/${document_id}`)).toBe(true);
    const keys = await server.sql<{ storage_key: string }>('select storage_key from message_media');
    await eventually(
      async () => filesBelow(path.join(server.dataDir, 'media', 'document')),
      (files) => files.length === keys.filter(({ storage_key }) => storage_key.startsWith('document/')).length,
    );
  });
});

describe('voice', () => {
  test('a recording is played', async () => {
    const recording_id = await upload('recordings', sampleWav(2, 44_100, 2), 'audio/wav');
    const program = await api.post('/programs/voicemessage', { recording_id, repeat: 2, amd: 'beep' });
    const id = await send(program, '+15550103');
    expect(await ended(id)).toMatchObject({ status: 'completed', try_done: 1 });
    expect(await resultsOf(id)).toEqual({ 'application voice_play': 'success', 'info played': '1' });
    const plain = await api.post('/programs/voicemessage', { recording_id });
    const other = await send(plain, '+15550104');
    expect(await ended(other)).toMatchObject({ status: 'completed' });
    expect(await resultsOf(other)).toEqual({ 'application voice_play': 'success', 'info played': '1' });
    const missed = await send(plain, '+15559902');
    expect(await ended(missed)).toMatchObject({ status: 'failed', response: 'loopback: NO_ANSWER' });
  });

  test('without a sound it is not sent', async () => {
    const recording_id = await api.post('/recordings', { name: 'later' });
    const program = await api.post('/programs/voicemessage', { recording_id });
    const id = await api.post('/transmissions', { program_id: program, phone: '+15550105' });
    expect(await api.refusal('POST', `/transmissions/${id}/send`)).toMatchObject({
      status: 423,
      message: expect.stringContaining('no media yet'),
    });
  });

  test('the scheme of a program is shown', async () => {
    const recording_id = await upload('recordings', sampleWav(1), 'audio/wav');
    const program = await api.post('/programs/voicemessage', { recording_id });
    expect(await api.get(`/programs/${program}/scheme`)).toMatchObject({ start: 'originate' });
  });
});

test('kill -9 in the middle of a conversion: it is taken up at the next start, and nothing lies around', async () => {
  const first = await RunningServer.start({ env: { ICTCORE_MEDIA_CONVERT_WAIT: '0' } });
  let second: RunningServer | undefined;
  try {
    const user = await first.user('ann');
    // The first one keeps the only worker busy, so that the second is certain to wait when the server dies.
    const [stuck, good] = [await user.post('/documents', { name: 'a' }), await user.post('/documents', { name: 'b' })];
    const put = (id: number, file: Buffer) =>
      user.request('PUT', `/documents/${id}/media`, file, { 'Content-Type': 'application/pdf' });
    expect((await put(stuck, endlessPdf())).status).toBe(200);
    await eventually(
      async () => filesBelow(path.join(first.dataDir, 'tmp', 'conversions')),
      (files) => files.length > 0,
    );
    expect((await put(good, samplePdf(4))).status).toBe(200);
    await first.kill();
    expect(filesBelow(path.join(first.dataDir, 'tmp', 'conversions')).length).toBeGreaterThan(0);

    const { dataDir, databaseUrl } = first;
    const env = { ICTCORE_MEDIA_CONVERT_TIMEOUT: '3' };
    second = await RunningServer.start({ dataDir, databaseUrl: databaseUrl as string, env });
    const again = second.admin();
    const read = (id: number) => again.get<MediaRow>(`/documents/${id}`);
    expect(
      await eventually(
        () => read(good),
        ({ status }) => status !== 'converting',
      ),
    ).toMatchObject({
      status: 'ready',
      pages: 4,
    });
    expect(
      await eventually(
        () => read(stuck),
        ({ status }) => status !== 'converting',
      ),
    ).toMatchObject({
      status: 'error',
      status_detail: expect.stringMatching(/\w{3}/),
      has_media: 0,
    });
    const keys = await second.sql<{ storage_key: string }>('select storage_key from message_media');
    await eventually(
      async () => filesBelow(path.join(dataDir, 'media', 'document')).length,
      (count) => count === keys.length,
    );
    expect(filesBelow(path.join(dataDir, 'tmp'))).toEqual([]);
  } finally {
    if (second) await second.terminate();
    await first.dispose();
  }
}, 90_000);

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => entry.name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
