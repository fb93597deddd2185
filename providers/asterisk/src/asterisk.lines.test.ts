import { existsSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Accepted, FaxOrder, FinalOutcome, InboundMessage, Outcome } from '@ictcore/contract';
import { compareFax, describeWithPeer } from '@ictcore/test-peers';
import { callSuite } from './testing/call.suite';
import { eventOf, Line, reportOf } from './testing/line';
import { voiceSuite } from './testing/voice.suite';

/**
 * Faxes take half a minute, a silent line 79 s: all begin at once, the tests of voice run meanwhile, and in the end each
 * fax is looked at.
 */
describeWithPeer('asterisk', 'voice and fax over a SIP trunk', () => {
  let line: Line;
  let trunk: Awaited<ReturnType<Line['open']>>;
  let plain: Awaited<ReturnType<Line['open']>>;
  const outcomes = new Map<string, Promise<FinalOutcome>>();
  const signal = new AbortController().signal;

  const end = async (order: FaxOrder, on = trunk): Promise<FinalOutcome> => {
    const outcome = await (on.session.submit as (o: FaxOrder, s: AbortSignal) => Promise<Outcome>)(order, signal);
    if (outcome.kind !== 'accepted') return outcome as FinalOutcome;
    return reportOf(on.context, (outcome as Accepted).ref, 110_000);
  };
  const outcomeOf = (name: string) => outcomes.get(name) as Promise<FinalOutcome>;
  const factsOf = (outcome: FinalOutcome) =>
    Object.fromEntries((outcome.facts ?? []).map(({ name, data }) => [name, data]));

  beforeAll(async () => {
    line = await Line.withPhone();
    trunk = await line.open();
    plain = await line.open({
      providerId: 4,
      username: 'plain',
      register: false,
      settings: { fax_mode: 'audio', t38: false },
    });
    await line.service.bindDid('95551234', 'fax');
    await line.service.bindDid('65551234', 'detect');
    const start = (name: string, order: FaxOrder, on = trunk) => {
      const ending = end(order, on);
      ending.catch(() => undefined);
      outcomes.set(name, ending);
    };
    start('t38', line.fax('+15551010', 'three.tif', 3));
    start('audio', line.fax('1010', 'three.tif', 3), plain);
    start('no t38 there', line.fax('1011', 'light.tif', 1));
    start('dropped on page 1', line.fax('101206', 'three.tif', 3));
    start('dropped on page 2', line.fax('101230', 'dense.tif', 2));
    start('voice', line.fax('101315'));
    start('silence', line.fax('101490'));
    start('busy', line.fax('1002'));
    const text = { ...line.file('light.tif'), localPath: async () => __filename };
    start('no fax', line.fax('1010', 'light.tif', 1, { document: text }));
    start('wrong pages', line.fax('1010', 'light.tif', 2));
    await line.far.waitForRegistration('gateway');
    await line.far.call({ to: 'gateway', did: '95551234', script: 'fax', file: join(line.media, 'three.tif') });
    await line.far.call({ to: 'gateway', did: '65551234', script: 'fax', file: join(line.media, 'light.tif') });
  }, 60_000);
  afterAll(() => line?.stop());

  describe('voice', () => voiceSuite(() => ({ line, trunk })));
  describe('calls decided step by step', () => callSuite(() => ({ line, trunk })));

  test('T.38: all pages arrive, pixel for pixel below the header line', async () => {
    const outcome = await outcomeOf('t38');
    expect(outcome).toMatchObject({ kind: 'delivered', detail: 'SUCCESS', amount: 3 });
    expect(factsOf(outcome)).toMatchObject({
      fax_send: 'success',
      pages: '3',
      fax_mode: 'T38',
      fax_station: '+15551010',
    });
    const call = await line.far.waitForCall(
      'the fax',
      ({ dst, facts }) => dst === '1010' && facts.pages === '3' && facts.mode === 'T38',
    );
    expect(call.facts).toMatchObject({ fax: 'SUCCESS', station: '+1 555 0100' });
    const pages = await compareFax(join(line.media, 'three.tif'), call.facts.file ?? '');
    expect(pages).toHaveLength(3);
    for (const page of pages) {
      expect(page.headerRows).toBeGreaterThan(0);
      expect(page.differing).toBe(0);
    }
  }, 90_000);

  test('audio: the same, on a trunk without T.38', async () => {
    const outcome = await outcomeOf('audio');
    expect(outcome).toMatchObject({ kind: 'delivered', amount: 3 });
    expect(factsOf(outcome)).toMatchObject({ fax_mode: 'audio', pages: '3' });
    const call = await line.far.waitForCall(
      'the fax',
      ({ dst, facts }) => dst === '1010' && facts.pages === '3' && facts.mode === 'audio',
    );
    for (const page of await compareFax(join(line.media, 'three.tif'), call.facts.file ?? ''))
      expect(page.differing).toBe(0);
  }, 90_000);

  test('a carrier that refuses T.38 gets audio', async () => {
    const outcome = await outcomeOf('no t38 there');
    expect(outcome).toMatchObject({ kind: 'delivered', amount: 1 });
    expect(factsOf(outcome)).toMatchObject({ fax_mode: 'audio' });
  }, 90_000);

  test('dropped on page 1, and on page 2: failed, with the pages that were taken', async () => {
    const first = await outcomeOf('dropped on page 1');
    expect(first).toMatchObject({ kind: 'failed', detail: 'The call dropped prematurely' });
    expect(factsOf(first)).toMatchObject({ pages: '0', error: 'The call dropped prematurely', fax_send: 'error' });
    const second = await outcomeOf('dropped on page 2');
    expect(second).toMatchObject({ kind: 'failed', reason: 'unknown' });
    expect(factsOf(second)).toMatchObject({ pages: '1', fax_send: 'error' });
  }, 90_000);

  test('a voice answers, nobody speaks, it is busy: each its own', async () => {
    expect(await outcomeOf('voice')).toMatchObject({ kind: 'failed', reason: 'rejected' });
    expect(await outcomeOf('busy')).toMatchObject({ kind: 'failed', reason: 'busy', detail: 'USER_BUSY (SIP 486)' });
    const silence = await outcomeOf('silence');
    expect(silence).toMatchObject({ kind: 'failed', reason: 'timeout' });
    expect(factsOf(silence).error).toMatch(/Timed out/);
  }, 120_000);

  test('a document that is none is refused; fewer pages than promised are no success', async () => {
    expect(await outcomeOf('no fax')).toMatchObject({ kind: 'refused', reason: 'media_rejected' });
    const wrong = await outcomeOf('wrong pages');
    expect(wrong).toMatchObject({ kind: 'failed', detail: '1 of 2 pages were taken' });
  }, 90_000);

  test('a fax comes in: event with the file, identical; its file is removed when stored', async () => {
    const inbound = (await eventOf(
      trunk.context,
      (each) => each.kind === 'inbound' && each.to.phone === '95551234',
      90_000,
    )) as InboundMessage;
    expect(inbound).toMatchObject({ channel: 'fax', from: { phone: '+4402071234', name: 'Bob' } });
    expect(factsOf({ facts: inbound.facts } as FinalOutcome)).toMatchObject({
      fax_receive: 'success',
      pages: '3',
      fax_station: '+15550001',
    });
    expect(inbound.body.files).toHaveLength(1);
    expect(inbound.body.files?.[0]).toMatchObject({ mediaType: 'image/tiff', name: 'fax.tif' });
    const kept = join(line.media, `${inbound.ref}.tif`);
    for (const page of await compareFax(join(line.media, 'three.tif'), kept)) expect(page.differing).toBe(0);
    const path = await inbound.body.files?.[0]?.localPath();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(existsSync(path ?? '')).toBe(false);
  }, 120_000);

  test('a number for voice and fax: the tone is heard, the fax is taken', async () => {
    const inbound = (await eventOf(
      trunk.context,
      (each) => each.kind === 'inbound' && each.to.phone === '65551234',
      90_000,
    )) as InboundMessage;
    expect(factsOf({ facts: inbound.facts } as FinalOutcome)).toMatchObject({ fax_receive: 'success', pages: '1' });
  }, 120_000);

  // As the kernel does: what comes in is copied while `emit` runs.
  beforeAll(() => {
    for (const { context } of [trunk, plain]) {
      const keep = context.emit.bind(context);
      context.emit = async (event) => {
        if (event.kind === 'inbound') {
          for (const file of event.body.files ?? [])
            await copyFile(await file.localPath(), join(line.media, `${event.ref}.tif`));
        }
        await keep(event);
      };
    }
  });
});
