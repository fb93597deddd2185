import type { FaxOrder, Refused, SchemeStep, VoiceOrder } from '@ictcore/contract';
import { type Config, configSchema } from '../../boot/config';
import { MediaDesk } from '../../messages/conversion/media-desk.test.support';
import { samplePdf, sampleWav } from '../../testing/media-samples';
import { FaxSend } from './fax-send';
import type { StepInput } from './step';
import { VoicePlay } from './voice-play';

let desk: MediaDesk;
let documentId: number;
let recordingId: number;

beforeAll(async () => {
  desk = await MediaDesk.open();
  documentId = (await desk.call('ann', 'POST', '/documents', { name: 'Übersicht für Zoë\u0007 🎉' })).body;
  await desk.send('ann', 'PUT', `/documents/${documentId}/media`, samplePdf(2), 'application/pdf');
  recordingId = (await desk.call('ann', 'POST', '/recordings', { name: 'greeting' })).body;
  await desk.send('ann', 'PUT', `/recordings/${recordingId}/media`, sampleWav(1), 'audio/wav');
});
afterAll(() => desk.close());

function input(step: SchemeStep, phone: string | null = '+15550100', before: SchemeStep[] = []): StepInput {
  const base = {
    spoolId: 1,
    transmissionId: 2,
    attempt: 1,
    accountId: 3,
    campaignId: null,
    from: { phone: '+15550199', email: null, name: 'Ann' },
    to: { phone, email: null, name: 'Bob' },
  };
  return { attempt: {} as StepInput['attempt'], base, steps: [...before, step], parameters: step.with, tokens: {} };
}

const config = (name: string): Config => configSchema.parse({ company: { name } });
const fax = (id: unknown): SchemeStep => ({ use: 'fax_send', with: { document_id: id } });
const play = (id: unknown): SchemeStep => ({ use: 'voice_play', with: { recording_id: id, repeat: 2 } });

describe('fax_send', () => {
  test('the TIFF, its pages, a header and a station id that machines can print', async () => {
    const step = new FaxSend(desk.node.documents, config('Müller & Söhne Fax und Sprache GmbH'));
    const [order, other] = (await step.build([input(fax(documentId)), input(fax(String(documentId)))])) as FaxOrder[];
    expect(order).toMatchObject({
      channel: 'fax',
      spoolId: 1,
      pages: 2,
      header: 'Ubersicht fur Zoe? ?',
      stationId: 'Muller & Sohne Fax u',
      ecm: true,
      document: { mediaType: 'image/tiff', size: expect.any(Number) },
    });
    expect(other?.pages).toBe(2);
    const chunks: Buffer[] = [];
    const { document } = order as FaxOrder;
    for await (const chunk of await document.open()) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks)).toHaveLength(document.size);
  });

  test('what cannot be sent is refused for good', async () => {
    const step = new FaxSend(desk.node.documents, config('ICTCore'));
    const empty = (await desk.call('ann', 'POST', '/documents', { name: 'empty' })).body;
    const built = await step.build([input(fax(999_999)), input(fax(empty)), input(fax(documentId), null)]);
    expect(built.map((each) => [(each as Refused).reason, (each as Refused).detail])).toEqual([
      ['media_rejected', 'media_missing'],
      ['media_rejected', 'media_missing'],
      ['invalid_destination', 'the contact has no phone number'],
    ]);
  });
});

describe('voice_play', () => {
  test('one order of all steps between the frame, with the sound by the parameter that names it', async () => {
    const step = new VoicePlay(desk.node.recordings);
    const amd: SchemeStep = { use: 'amd', with: { machine: 'beep' } };
    const [plain, detected] = (await step.build([
      input(play(recordingId)),
      input(play(recordingId), '+15550101', [amd]),
    ])) as VoiceOrder[];
    expect(plain).toMatchObject({
      channel: 'voice',
      ringTimeoutMs: 60_000,
      steps: [{ use: 'voice_play', with: { repeat: 2 }, files: { recording_id: { mediaType: 'audio/wav' } } }],
    });
    expect(await plain?.steps[0]?.files?.recording_id?.localPath()).toMatch(/\.wav$/);
    expect(detected?.steps.map((each) => each.use)).toEqual(['amd', 'voice_play']);
    expect(detected?.steps[0]).toEqual({ use: 'amd', with: { machine: 'beep' } });
  });

  test('what cannot be sent is refused for good', async () => {
    const step = new VoicePlay(desk.node.recordings);
    const menu: SchemeStep = { use: 'play_menu', with: {} };
    const built = await step.build([
      input(play(999_999)),
      input(play(recordingId), null),
      input(play(recordingId), '+15550101', [menu]),
    ]);
    expect(built.map((each) => (each as Refused).detail)).toEqual([
      'media_missing',
      'the contact has no phone number',
      'step play_menu cannot be part of a call without decisions',
    ]);
  });
});
