import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { COMMAND, ESME, encodePdu, NO_TLVS, type Pdu, TAG } from './pdu';
import { delivery, type FaultyPeer, FaultySmsc, type FaultySmscOptions } from './testing/faulty-smsc';
import { type Opened, openSession, until } from './testing/open';
import { between, randomFrom } from './testing/random';

describe('smpp towards peers that misbehave', () => {
  let smsc: FaultySmsc;
  let opened: Opened;

  const start = async (options: FaultySmscOptions, settings: Record<string, unknown> = {}) => {
    smsc = await FaultySmsc.start(options);
    opened = await openSession(smsc.port, settings);
    return smsc;
  };
  afterEach(async () => {
    await opened?.close();
    await smsc?.stop();
  });
  const bound = () => until('the bind', () => opened.of('health').some(({ state }) => state === 'ok'));
  const onePeer = async (): Promise<FaultyPeer> => {
    await bound();
    return [...smsc.peers][0] as FaultyPeer;
  };

  test.each([0, 4, 12, 70_001, 2 ** 31])('a PDU of length %d ends the link, and the next one works', async (length) => {
    const bad = Buffer.alloc(64);
    bad.writeUInt32BE(length, 0);
    await start({});
    (await onePeer()).socket.write(bad);
    await until('news', () => opened.of('health').some(({ detail }) => detail.includes(`a PDU of ${length} octets`)));
    expect(await opened.send('+447')).toMatchObject({ kind: 'accepted' });
  });

  test('noise, cut and changed PDUs on live links never stop messages for good', async () => {
    const random = randomFrom(7);
    let noisy = 0;
    await start(
      {
        receipts: true,
        on: (pdu, peer) => {
          if (pdu.command !== COMMAND.submit_sm || random() < 0.6) return false;
          noisy += 1;
          const whole = encodePdu({ command: COMMAND.deliver_sm, status: 0, sequence: noisy, body: delivery('hi', 4) });
          const octets = Buffer.from(whole);
          for (let each = between(random, 1, 8); each > 0; each--) {
            octets[between(random, random() < 0.04 ? 0 : 4, octets.length - 1)] = between(random, 0, 255);
          }
          peer.socket.write(octets);
          return false;
        },
      },
      { response_timeout_seconds: 0.3, reconnect_max_seconds: 0.1 },
    );
    const kinds = new Map<string, number>();
    for (let n = 0; n < 150; n++) {
      const kind = await opened.send('+447').then(
        (outcome) => outcome.kind,
        () => 'unknown',
      );
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    expect(noisy).toBeGreaterThan(40);
    expect(kinds.get('accepted')).toBeGreaterThan(100);
    await until('a good link', () => opened.of('health').at(-1)?.state === 'ok');
    expect(await until('a message again', () => opened.send('+447'))).toMatchObject({ kind: 'accepted' });
    expect(smsc.problems).toEqual([]);
  });

  test('PDUs that cannot be read are answered by status, and the link goes on', async () => {
    await start({});
    const { socket } = await onePeer();
    const cut = encodePdu({ command: COMMAND.deliver_sm, status: 0, sequence: 77, body: delivery('x') }).subarray(
      0,
      30,
    );
    const broken = Buffer.from(cut);
    broken.writeUInt32BE(broken.length, 0);
    const unknown = Buffer.from('00000010000009990000000000000058', 'hex');
    const answerToNothing = Buffer.from('00000010800000040000000000000063', 'hex');
    socket.write(Buffer.concat([broken, unknown, answerToNothing]));
    const answers = await until('two answers', () => {
      const found = smsc.received.filter(({ command }) => command >= 0x80000000);
      return found.length === 2 && found;
    });
    expect(answers).toMatchObject([
      { command: COMMAND.deliver_sm_resp, status: ESME.RINVCMDLEN, sequence: 77 },
      { command: COMMAND.generic_nack, status: ESME.RINVCMDID, sequence: 0x58 },
    ]);
    expect(await opened.send('+447')).toMatchObject({ kind: 'accepted' });
    expect(smsc.peers.size).toBe(1);
  });

  test('answers that cannot be read, or are generic_nack', async () => {
    let mode: 'garbled' | 'nack' | 'empty' = 'garbled';
    await start({
      on: (pdu, peer) => {
        if (pdu.command !== COMMAND.submit_sm) return false;
        const { sequence } = pdu;
        if (mode === 'nack') {
          peer.send({ command: COMMAND.generic_nack, status: ESME.RINVCMDID, sequence, body: null });
          return true;
        }
        const octets = Buffer.alloc(mode === 'empty' ? 16 : 20, 0x41);
        [octets.length, COMMAND.submit_sm_resp, 0, sequence].forEach((value, index) => {
          octets.writeUInt32BE(value, index * 4);
        });
        peer.socket.write(octets);
        return true;
      },
    });
    await expect(opened.send('+447')).rejects.toThrow('cannot be read');
    mode = 'nack';
    expect(await opened.send('+447')).toMatchObject({ kind: 'refused', detail: 'ESME_RINVCMDID (0x03)' });
    mode = 'empty'; // taken without an id: no receipt can be matched
    expect(await opened.send('+447')).toMatchObject({ kind: 'accepted', ref: expect.stringMatching(/^spool-\d+$/) });
  });

  test('enquire_link and unbind of the peer are answered, and the link comes back', async () => {
    await start({});
    const peer = await onePeer();
    peer.send({ command: COMMAND.enquire_link, status: 0, sequence: 5, body: null });
    peer.send({ command: COMMAND.unbind, status: 0, sequence: 6, body: null });
    await until('both answers', () => {
      const commands = smsc.received.map(({ command, sequence }) => `${command.toString(16)}:${sequence}`);
      return commands.includes('80000015:5') && commands.includes('80000006:6');
    });
    expect(await opened.send('+447')).toMatchObject({ kind: 'accepted' });
    expect(smsc.received.filter(({ command }) => command === COMMAND.bind_transceiver)).toHaveLength(2);
  });

  test('a centre that forgets the bind is bound anew', async () => {
    let forgotten = true;
    await start({
      on: (pdu, peer) => {
        if (pdu.command !== COMMAND.submit_sm || !forgotten) return false;
        forgotten = false;
        const body = { messageId: '', tlvs: NO_TLVS };
        peer.send({ command: COMMAND.submit_sm_resp, status: ESME.RINVBNDSTS, sequence: pdu.sequence, body });
        return true;
      },
    });
    expect(await opened.send('+447')).toMatchObject({ kind: 'failed', reason: 'provider_down', notAccepted: true });
    expect(await opened.send('+447')).toMatchObject({ kind: 'accepted' });
    expect(smsc.received.filter(({ command }) => command === COMMAND.bind_transceiver)).toHaveLength(2);
  });

  test('a part refused in the middle is no proof that nothing was taken', async () => {
    let status = 0x45;
    let parts = 0;
    await start({
      on: (pdu, peer) => {
        if (pdu.command !== COMMAND.submit_sm || ++parts % 2 === 1) return false;
        const body = { messageId: '', tlvs: NO_TLVS };
        peer.send({ command: COMMAND.submit_sm_resp, status, sequence: pdu.sequence, body });
        return true;
      },
    });
    const failed = await opened.send('+447', 'x'.repeat(200));
    expect(failed).toMatchObject({ kind: 'failed', detail: 'part 2 of 2: ESME_RSUBMITFAIL (0x45)' });
    expect(failed).not.toHaveProperty('notAccepted');
    status = 0x0b;
    expect(await opened.send('+447', 'x'.repeat(200))).toMatchObject({
      kind: 'refused',
      reason: 'invalid_destination',
    });
  });

  test('receipts by data_sm and parameters alone, in message_payload, and without an id', async () => {
    await start({});
    const peer = await onePeer();
    const sequence = 9;
    const tlvs = new Map([
      [TAG.receipted_message_id, Buffer.from('4711\0')],
      [TAG.message_state, Buffer.from([5])],
      [TAG.network_error_code, Buffer.from([3, 0, 34])],
    ]);
    const empty = { ...delivery('', 4), tlvs };
    peer.send({ command: COMMAND.data_sm, status: 0, sequence, body: empty });
    const text = Buffer.from('id:4712 stat:DELIVRD err:000');
    const payload = { ...delivery('', 4), tlvs: new Map([[TAG.message_payload, text]]) };
    peer.send({ command: COMMAND.deliver_sm, status: 0, sequence: 10, body: payload });
    peer.send({ command: COMMAND.deliver_sm, status: 0, sequence: 11, body: delivery('no receipt at all', 4) });
    await until('three answers', () => smsc.received.filter(({ sequence: n }) => n >= 9 && n <= 11).length === 3);
    expect(opened.of('report')).toMatchObject([
      { ref: '4711', outcome: { kind: 'failed', detail: 'UNDELIV err:34' } },
      { ref: '4712', outcome: { kind: 'delivered' } },
    ]);
    expect(opened.of('inbound')).toHaveLength(0);
  });

  test('headers longer than the message, and elements that make no sense', async () => {
    await start({});
    const peer = await onePeer();
    const bodies = [
      '\xff',
      '\x05\x00\x03\x01\x02',
      '\x05\x00\x03\x01\x02\x09seq 9 of 2',
      '\x03\x24\x01\x01turkish',
      '',
    ];
    for (const [index, text] of bodies.entries()) {
      peer.send({ command: COMMAND.deliver_sm, status: 0, sequence: 20 + index, body: delivery(text, 0x40) });
    }
    const got = await until('all of them', () => opened.of('inbound').length === bodies.length && opened.of('inbound'));
    expect(got.map(({ body }) => typeof body.text)).toEqual(bodies.map(() => 'string'));
    expect(got[2]?.body.text).toBe('seq 9 of 2');
    expect(got[3]?.body.text).toBe('turkish');
  });

  test('more deliveries than the kernel can store are asked to come again', async () => {
    await start({});
    const peer = await onePeer();
    let store: () => void = () => undefined;
    const stored = new Promise<void>((resolve) => {
      store = resolve;
    });
    opened.context.emit = () => stored;
    for (let n = 1; n <= 1100; n++) {
      peer.send({ command: COMMAND.deliver_sm, status: 0, sequence: n, body: delivery(`message ${n}`) });
    }
    const answers = (status: number) =>
      smsc.received.filter((pdu: Pdu) => pdu.command === COMMAND.deliver_sm_resp && pdu.status === status).length;
    await until('refusals', () => answers(ESME.RX_T_APPN) === 100);
    expect(answers(ESME.ROK)).toBe(0);
    store();
    await until('the rest', () => answers(ESME.ROK) === 1000);
  });

  test('one link too many for a while: bound as soon as there is room', async () => {
    let binds = 0;
    await start(
      {
        on: (pdu, peer) => {
          if (pdu.command !== COMMAND.bind_transceiver || ++binds > 3) return false;
          const body = { systemId: '', tlvs: NO_TLVS };
          const status = binds === 1 ? ESME.RBINDFAIL : ESME.RALYBND;
          peer.send({ command: COMMAND.bind_transceiver_resp, status, sequence: pdu.sequence, body });
          return true;
        },
      },
      { login_retry_seconds: 60, reconnect_max_seconds: 0.2 },
    );
    await bound();
    expect(binds).toBe(4);
  });

  test('a centre that allows one link: a check of a bound provider says so, and makes no other', async () => {
    let binds = 0;
    await start({
      on: (pdu, peer) => {
        if (pdu.command !== COMMAND.bind_transceiver || ++binds === 1) return false;
        const body = { systemId: '', tlvs: NO_TLVS };
        peer.send({ command: COMMAND.bind_transceiver_resp, status: ESME.RALYBND, sequence: pdu.sequence, body });
        return true;
      },
    });
    await bound();
    const other = await openSession(smsc.port, {}, { context: opened.context });
    expect(await other.session.check(AbortSignal.timeout(3000))).toMatchObject({
      state: 'ok',
      detail: expect.stringContaining('allows no second link'),
    });
    await other.close();
    expect(binds).toBe(2);
    await opened.close();
    const alone = await openSession(smsc.port);
    expect(await alone.session.check(AbortSignal.timeout(3000))).toMatchObject({
      state: 'error',
      detail: expect.stringContaining('Another client is bound'),
    });
    await alone.close();
    expect(binds).toBe(3);
  });

  test('a peer that takes connections and never answers a bind', async () => {
    const silent = createServer((socket) => void socket.resume().on('error', () => undefined));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    smsc = await FaultySmsc.start();
    opened = await openSession(port, { response_timeout_seconds: 0.3 });
    expect(await opened.send('+447')).toMatchObject({ kind: 'failed', reason: 'provider_down', notAccepted: true });
    await opened.close();
    silent.close();
  });

  test('TLS: with its authority, and refused without', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'smpp-tls-'));
    try {
      const [keyFile, certFile] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
      const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-keyout', keyFile];
      await promisify(execFile)('openssl', ['req', '-x509', ...key, ...subject, '-out', certFile]);
      const cert = await readFile(certFile, 'utf8');
      smsc = await FaultySmsc.start({ tls: { key: await readFile(keyFile, 'utf8'), cert } });
      opened = await openSession(smsc.port, { tls: true });
      const refused = await opened.send('+447');
      expect(refused).toMatchObject({ kind: 'failed', reason: 'provider_down', notAccepted: true });
      expect((refused as { detail: string }).detail).toMatch(/self-signed/);
      await opened.close();
      opened = await openSession(smsc.port, { tls: true, ca: cert });
      expect(await opened.send('+447')).toMatchObject({ kind: 'accepted' });
      expect(await opened.session.check(AbortSignal.timeout(5000))).toMatchObject({
        state: 'ok',
        detail: expect.stringContaining('over TLS'),
      });
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
