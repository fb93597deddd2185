import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeWithPeer } from './peer-availability';
import { LOOPBACK, waitFor } from './peer-process';
import { type SmscPeer, startSmppSmsc } from './smsc.peer';

const BIND_TRANSCEIVER = 0x09;
const SUBMIT_SM = 0x04;
const DELIVER_SM = 0x05;
const ENQUIRE_LINK = 0x15;
const UNBIND = 0x06;
const RESPONSE = 0x80000000;

interface Pdu {
  readonly command: number;
  readonly status: number;
  readonly seq: number;
  readonly body: Buffer;
}

/** SMPP by hand: bytes written out as SMPP 3.4 sections 4.1, 4.4 and 4.6 have them. */
class RawEsme {
  readonly received: Pdu[] = [];
  closed = false;
  private seq = 0;
  private input = Buffer.alloc(0);

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk) => {
      this.input = Buffer.concat([this.input, chunk]);
      while (this.input.length >= 16 && this.input.length >= this.input.readUInt32BE(0)) this.take();
    });
    socket.on('close', () => {
      this.closed = true;
    });
    socket.on('error', () => undefined);
  }

  static async connect(port: number): Promise<RawEsme> {
    const socket = connect(port, LOOPBACK);
    await once(socket, 'connect');
    return new RawEsme(socket);
  }

  private take(): void {
    const length = this.input.readUInt32BE(0);
    const [command, status, seq] = [4, 8, 12].map((at) => this.input.readUInt32BE(at)) as [number, number, number];
    this.received.push({ command, status, seq, body: this.input.subarray(16, length) });
    this.input = this.input.subarray(length);
  }

  write(command: number, body: Buffer, seq?: number): number {
    this.seq += 1;
    const header = Buffer.alloc(16);
    [16 + body.length, command, 0, seq ?? this.seq].forEach((value, index) => {
      header.writeUInt32BE(value, index * 4);
    });
    this.socket.write(Buffer.concat([header, body]));
    return seq ?? this.seq;
  }

  raw(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  async ask(command: number, body: Buffer): Promise<Pdu> {
    const seq = this.write(command, body);
    return waitFor(
      'a response',
      3000,
      () => this.received.find((pdu) => pdu.command >= RESPONSE && pdu.seq === seq),
      2,
    );
  }

  bind(password: string, systemId = 'test'): Promise<Pdu> {
    return this.ask(BIND_TRANSCEIVER, Buffer.from(`${systemId}\0${password}\0\0\x34\0\0\0`, 'latin1'));
  }

  /** submit_sm asking for a receipt; gives the id or throws the status. */
  async submit(to: string, text: string): Promise<string> {
    const fields = `\0\x01\x01100\0\x01\x01${to}\0\0\0\0\0\0\x01\0\0\0${String.fromCharCode(text.length)}${text}`;
    const answer = await this.ask(SUBMIT_SM, Buffer.from(fields, 'latin1'));
    if (answer.status !== 0) throw new Error(`status 0x${answer.status.toString(16)}`);
    return answer.body.toString('latin1').replace(/\0$/, '');
  }

  /** Texts of receipts in the order of arrival. */
  get receiptIds(): string[] {
    return this.received
      .filter((pdu) => pdu.command === DELIVER_SM)
      .flatMap((pdu) => /id:(\S+) .* stat:(\S+)/.exec(pdu.body.toString('latin1'))?.[1] ?? []);
  }

  close(): void {
    this.socket.destroy();
  }
}

describeWithPeer('smsc', 'scripted SMSC', () => {
  let smsc: SmscPeer;
  let esme: RawEsme;

  beforeEach(async () => {
    smsc = await startSmppSmsc();
    esme = await RawEsme.connect(smsc.port);
  });
  afterEach(async () => {
    esme?.close();
    await smsc?.stop();
  });

  const receipts = (count: number) =>
    waitFor('receipts', 3000, () => (esme.receiptIds.length >= count ? esme.receiptIds : undefined));

  test('refuses the wrong password and user, takes the right ones, answers enquire_link and unbind', async () => {
    expect((await esme.bind('wrong')).status).toBe(0x0e);
    expect((await esme.bind('secret', 'other')).status).toBe(0x0f);
    await expect(esme.submit('447', 'early')).rejects.toThrow('0x4');
    const bound = await esme.bind('secret');
    expect(bound).toMatchObject({ command: RESPONSE + BIND_TRANSCEIVER, status: 0 });
    expect(bound.body.toString('latin1')).toMatch(/^TESTSMSC\0/);
    expect(await esme.ask(ENQUIRE_LINK, Buffer.alloc(0))).toMatchObject({ status: 0 });
    expect(await esme.ask(UNBIND, Buffer.alloc(0))).toMatchObject({ command: RESPONSE + UNBIND, status: 0 });
    await waitFor('the end of the connection', 2000, () => esme.closed || undefined);
    expect(smsc.events.map((event) => event.event)).toContain('closed');
  });

  test('takes a message, records it as decoded and sends its receipt', async () => {
    await esme.bind('secret');
    await smsc.set({ statusOf: { '448': 'UNDELIV' } });
    const id = await esme.submit('447', 'hello');
    expect(id).toMatch(/^\d+$/);
    await esme.submit('448', 'no');
    expect((await receipts(2))[0]).toBe(id);
    expect(smsc.submits[0]).toMatchObject({
      id,
      from: '100',
      to: '447',
      toTon: 1,
      toNpi: 1,
      registeredDelivery: 1,
      hex: '68656c6c6f',
    });
    const texts = esme.received.filter((pdu) => pdu.command === DELIVER_SM).map((pdu) => pdu.body.toString('latin1'));
    expect(texts[0]).toContain('stat:DELIVRD');
    expect(texts[1]).toContain('stat:UNDELIV');
    // receipted_message_id, a C-octet string: tag 0x001e, length with its NUL
    expect(texts[0]).toContain(`\0\x1e\0${String.fromCharCode(id.length + 1)}${id}\0`);
  });

  test('throttles every n-th, refuses destinations, drops the link once', async () => {
    await esme.bind('secret');
    await smsc.set({ throttleEvery: 2, refuse: { '0': 0x0b } });
    await esme.submit('447', 'first');
    await expect(esme.submit('447', 'second')).rejects.toThrow('0x58');
    await expect(esme.submit('0', 'third')).rejects.toThrow('0xb');
    await smsc.set({ throttleEvery: 0, dropAfter: 3 });
    await expect(esme.submit('447', 'lost')).rejects.toThrow('timed out');
    expect(esme.closed).toBe(true);
    esme = await RawEsme.connect(smsc.port);
    await esme.bind('secret');
    for (let n = 0; n < 5; n += 1) await esme.submit('447', 'again');
    expect(smsc.submits.filter((submit) => submit.status === 0)).toHaveLength(6);
  });

  test('ids in hexadecimal and then decimal, receipts reversed or ahead of the answer', async () => {
    await esme.bind('secret');
    await smsc.set({ idFormat: 'hex_then_decimal', receiptOrder: 'reversed', receiptDelayMs: 100 });
    const ids = [];
    for (const text of ['a', 'b', 'c']) ids.push(await esme.submit('447', text));
    expect(ids[0]).toMatch(/[a-f]/);
    const decimal = ids.map((id) => String(Number.parseInt(id, 16)).padStart(10, '0'));
    expect(await receipts(3)).toEqual(decimal.reverse());
    await smsc.set({ idFormat: 'hex', receiptOrder: 'sent', receiptDelayMs: 0, receiptBeforeResponse: true });
    const early = await esme.submit('447', 'd');
    const [receipt, answer] = esme.received.slice(-2);
    expect(receipt?.command).toBe(DELIVER_SM);
    expect(receipt?.body.toString('latin1')).toContain(`id:${early} `);
    expect(answer?.command).toBe(RESPONSE + SUBMIT_SM);
  });

  test('injects messages, and keeps receipts for a client that comes back', async () => {
    await expect(smsc.inbound({ from: '1', to: '2', message: Buffer.from('x') })).rejects.toThrow('no client');
    await esme.bind('secret');
    const seq = await smsc.inbound({
      from: '4477',
      to: '100',
      message: Buffer.from('Привет', 'utf16le').swap16(),
      dataCoding: 8,
    });
    const pdu = await waitFor('deliver_sm', 2000, () => esme.received.find((each) => each.command === DELIVER_SM));
    expect(pdu.body.toString('hex')).toContain('041f04400438043204350442');
    esme.write(RESPONSE + DELIVER_SM, Buffer.from('\0'), pdu.seq);
    expect(await smsc.waitForEvents('deliver_resp', 1)).toMatchObject([{ seq, status: 0 }]);
    await smsc.set({ receiptDelayMs: 50 });
    const id = await esme.submit('447', 'x');
    await smsc.dropLinks();
    await waitFor('the end of the link', 2000, () => esme.closed || undefined);
    await sleep(80);
    esme = await RawEsme.connect(smsc.port);
    await esme.bind('secret');
    expect(await receipts(1)).toEqual([id]);
  });

  test('a silent link and a malformed length', async () => {
    await esme.bind('secret');
    await smsc.set({ silentEnquireLink: true, silentSubmit: true });
    esme.write(ENQUIRE_LINK, Buffer.alloc(0));
    expect(await smsc.waitForEvents('enquire_link', 1)).toMatchObject([{ answered: false }]);
    const half = await RawEsme.connect(smsc.port);
    half.raw(Buffer.from([0, 0, 0, 20, 0, 0])); // half a header blocks nobody else
    const wrong = await RawEsme.connect(smsc.port);
    wrong.raw(Buffer.from([0, 0, 0, 4]));
    await waitFor('the end of the connection', 2000, () => wrong.closed || undefined);
    expect(esme.received).toHaveLength(1);
    half.close();
  });
});
