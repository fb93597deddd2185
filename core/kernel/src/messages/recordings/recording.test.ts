import { setTimeout as delay } from 'node:timers/promises';
import { samplePdf, sampleWav } from '../../testing/media-samples';
import { MediaDesk } from '../conversion/media-desk.test.support';
import type { RecordingRow } from './recording.schema';

let desk: MediaDesk;

beforeAll(async () => {
  desk = await MediaDesk.open({ recording_max_seconds: 20, recording_max_bytes: 2_000_000 });
});
afterAll(() => desk.close());

async function create(user = 'ann'): Promise<number> {
  return (await desk.call(user, 'POST', '/messages/recordings', { name: 'greeting' })).body;
}

async function read(id: number): Promise<RecordingRow> {
  return (await desk.call('ann', 'GET', `/recordings/${id}`)).body;
}

async function expectTidy(): Promise<void> {
  await desk.node.storage.settle();
  for (let i = 0; i < 40 && desk.filesOnDisk().some((file) => file.startsWith('tmp/uploads')); i++) await delay(25);
  expect(desk.filesOnDisk()).toEqual(await desk.filesOfRows());
}

/** Seconds of a WAV as its header says. */
const secondsOf = (wav: Buffer) => wav.readUInt32LE(40) / 16_000;

test('without a file', async () => {
  const id = await create();
  expect(await read(id)).toEqual({
    recording_id: id,
    message_id: id,
    name: 'greeting',
    description: '',
    length: 0,
    codec: 'pcm',
    channel: 1,
    sample: 8000,
    bitrate: 16,
    type: null,
    file_name: null,
    original_name: null,
    media_type: null,
    media_size: null,
    has_media: 0,
    status: null,
    status_detail: '',
    user_id: desk.actors.ann.userId,
    date_created: expect.any(Number),
    last_updated: null,
  });
  expect((await desk.call('ann', 'GET', `/recordings/${id}/media`)).status).toBe(404);
});

test('PUT replaces, POST concatenates; 8 kHz, one channel, 16 bits, whatever came in', async () => {
  const id = await create();
  const stereo = sampleWav(2.2, 44_100, 2);
  const at = `/messages/recordings/${id}/media`;
  expect((await desk.send('ann', 'PUT', at, stereo, 'audio/x-wav')).body).toBe(id);
  expect(await read(id)).toMatchObject({ length: 3, type: 'wav', media_type: 'audio/wav', status: 'ready' });
  expect((await desk.send('ann', 'POST', at, sampleWav(1.5, 16_000), 'audio/wav')).body).toBe(id);
  expect(await read(id)).toMatchObject({ length: 4, file_name: 'greeting.wav', has_media: 1 });
  const { bytes, headers } = await desk.call('ann', 'GET', `/messages/recordings/${id}/download`);
  expect(headers.get('content-type')).toBe('audio/wav');
  expect(headers.get('content-disposition')).toContain('attachment; filename="greeting.wav"');
  expect([bytes.readUInt16LE(22), bytes.readUInt32LE(24), bytes.readUInt16LE(34)]).toEqual([1, 8000, 16]);
  expect(secondsOf(bytes)).toBeCloseTo(3.7, 1);
  const part = await desk.call('ann', 'GET', `/recordings/${id}/media`, undefined, { range: 'bytes=0-3' });
  expect([part.status, part.bytes.toString()]).toEqual([206, 'RIFF']);
  const zip = await desk.call('ann', 'GET', `/recordings/${id}/media?format=original`);
  expect(zip.headers.get('content-type')).toBe('application/zip');
  await desk.send('ann', 'PUT', at, stereo, 'audio/wav');
  expect(await read(id)).toMatchObject({ length: 3 });
  expect((await desk.call('ann', 'GET', `/recordings/${id}/media?format=original`)).bytes.equals(stereo)).toBe(true);
  expect((await desk.call('ann', 'GET', `/recordings/${id}/media?format=mp3`)).status).toBe(412);
  await expectTidy();
});

test('multipart in one go, and by PUT', async () => {
  const form = new FormData();
  form.set('name', 'both');
  form.append('a', new Blob([sampleWav(1)], { type: 'audio/wav' }), 'a.wav');
  form.append('b', new Blob([sampleWav(2)], { type: 'audio/wav' }), 'b.wav');
  const { body: id } = await desk.call('ann', 'POST', '/recordings', form);
  expect(await read(id)).toMatchObject({ length: 3, original_name: 'a.wav', name: 'both' });
  const other = new FormData();
  other.append('c', new Blob([sampleWav(1)], { type: 'audio/wav' }), 'c.wav');
  const changed = await desk.call('ann', 'PUT', `/recordings/${id}`, other);
  expect(changed.body).toMatchObject({ length: 1, original_name: 'c.wav', name: 'both' });
  await expectTidy();
});

test.each([
  ['empty', Buffer.alloc(0), 'audio/wav', 411],
  ['a document', samplePdf(1), 'application/pdf', 415],
  ['a document that says WAV', samplePdf(1), 'audio/wav', 415],
  ['raw GSM', Buffer.alloc(100, 0xd2), 'audio/x-gsm', 415],
  ['a WAV without sound', sampleWav(0), 'audio/wav', 412],
  ['longer than it may be', sampleWav(21), 'audio/wav', 413],
  ['more bytes than it may have', sampleWav(20, 44_100, 2), 'audio/wav', 413],
])('%s: refused, and nothing changes', async (_what, content, type, status) => {
  const id = await create();
  await desk.send('ann', 'PUT', `/recordings/${id}/media`, sampleWav(1), 'audio/wav');
  const before = await read(id);
  for (const method of ['PUT', 'POST']) {
    const answer = await desk.send('ann', method, `/recordings/${id}/media`, content, type);
    expect(answer).toMatchObject({ status, body: { error: { message: expect.stringMatching(/\w{3}/) } } });
  }
  expect(await read(id)).toEqual(before);
  await expectTidy();
});

test('what is appended counts together with what is there', async () => {
  const id = await create();
  const at = `/recordings/${id}/media`;
  expect((await desk.send('ann', 'PUT', at, sampleWav(12), 'audio/wav')).status).toBe(200);
  expect((await desk.send('ann', 'POST', at, sampleWav(12), 'audio/wav')).status).toBe(413);
  const rate = 44_100;
  await desk.send('ann', 'PUT', at, sampleWav(10, rate), 'audio/wav');
  await desk.send('ann', 'POST', at, sampleWav(8, rate), 'audio/wav');
  const tooMuch = await desk.send('ann', 'POST', at, sampleWav(8, rate), 'audio/wav');
  expect(tooMuch).toMatchObject({ status: 413, body: { error: { message: expect.stringContaining('2000000') } } });
  expect(await read(id)).toMatchObject({ length: 18 });
});

test('ownership, lists and delete', async () => {
  const id = await create('bob');
  await desk.send('bob', 'PUT', `/recordings/${id}/media`, sampleWav(1), 'audio/wav');
  expect((await desk.call('ann', 'GET', `/recordings/${id}/media`)).status).toBe(404);
  expect((await desk.send('ann', 'PUT', `/recordings/${id}/media`, sampleWav(1), 'audio/wav')).status).toBe(404);
  expect((await desk.send('reader', 'PUT', `/recordings/${id}/media`, sampleWav(1), 'audio/wav')).status).toBe(403);
  expect((await desk.call('bob', 'GET', '/messages/recordings?name=GREET')).body).toEqual([
    expect.objectContaining({ recording_id: id, length: 1, type: 'wav', file_name: 'greeting.wav', status: 'ready' }),
  ]);
  expect((await desk.call('ann', 'DELETE', `/recordings/${id}`)).status).toBe(404);
  expect((await desk.call('bob', 'DELETE', `/messages/recordings/${id}`)).body).toBe(true);
  await expectTidy();
});
