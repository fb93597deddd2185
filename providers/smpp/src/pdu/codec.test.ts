import { between, randomFrom } from '../testing/random';
import { COMMAND, decodePdu, ESME, encodePdu, MAX_PDU_OCTETS, type MessageBody, NO_TLVS, type Pdu, PduFramer } from '.';

const random = randomFrom(20260101);
const CASES = 3000;

function text(max: number): string {
  return Array.from({ length: between(random, 0, max) }, () => String.fromCharCode(between(random, 1, 255))).join('');
}

function octets(max: number): Buffer {
  return Buffer.from(Array.from({ length: between(random, 0, max) }, () => between(random, 0, 255)));
}

function tlvs(): Map<number, Buffer> {
  return new Map(Array.from({ length: between(random, 0, 4) }, () => [between(random, 1, 0xffff), octets(80)]));
}

const u8 = () => between(random, 0, 255);

function message(): MessageBody {
  return {
    serviceType: text(5),
    sourceTon: u8(),
    sourceNpi: u8(),
    sourceAddr: text(20),
    destTon: u8(),
    destNpi: u8(),
    destAddr: text(20),
    esmClass: u8(),
    protocolId: u8(),
    priority: u8(),
    scheduleTime: text(16),
    validityPeriod: text(16),
    registeredDelivery: u8(),
    replaceIfPresent: u8(),
    dataCoding: u8(),
    defaultMessageId: u8(),
    shortMessage: octets(254),
    tlvs: tlvs(),
  };
}

function anyPdu(): Pdu {
  const header = { status: between(random, 0, 0xffff), sequence: between(random, 1, 0x7fffffff) };
  const bind = {
    systemId: text(15),
    password: text(8),
    systemType: text(12),
    interfaceVersion: u8(),
    addrTon: u8(),
    addrNpi: u8(),
    addressRange: text(40),
  };
  const made: Pdu[] = [
    { ...header, command: COMMAND.submit_sm, body: message() },
    { ...header, command: COMMAND.deliver_sm, body: message() },
    { ...header, command: COMMAND.bind_transceiver, body: bind },
    { ...header, command: COMMAND.bind_receiver, body: bind },
    { ...header, command: COMMAND.submit_sm_resp, body: { messageId: text(64), tlvs: tlvs() } },
    { ...header, command: COMMAND.deliver_sm_resp, body: { messageId: '', tlvs: NO_TLVS } },
    { ...header, command: COMMAND.bind_transceiver_resp, body: { systemId: text(15), tlvs: tlvs() } },
    { ...header, command: COMMAND.enquire_link, body: null },
    { ...header, command: COMMAND.unbind_resp, body: null },
    { ...header, command: COMMAND.generic_nack, body: null },
  ];
  return made[between(random, 0, made.length - 1)] as Pdu;
}

describe('codec', () => {
  test('submit_sm as SMPP 3.4 section 4.4.1 has it, octet by octet', () => {
    const body: MessageBody = {
      ...message(),
      ...{ serviceType: '', sourceTon: 5, sourceNpi: 0, sourceAddr: 'ICT', destTon: 1, destNpi: 1, destAddr: '447' },
      ...{ esmClass: 0x40, protocolId: 0, priority: 0, scheduleTime: '', validityPeriod: '000001010101000R' },
      ...{ registeredDelivery: 1, replaceIfPresent: 0, dataCoding: 8, defaultMessageId: 0 },
      shortMessage: Buffer.from([4, 0x4f]),
      tlvs: new Map([[0x0204, Buffer.from([1, 2])]]),
    };
    const expected = [
      '0000003a 00000004 00000000 00000007',
      '00 05 00 49435400 01 01 34343700',
      '40 00 00 00 3030303030313031303130313030305200 01 00 08 00 02 044f',
      '0204 0002 0102',
    ];
    const written = encodePdu({ command: COMMAND.submit_sm, status: 0, sequence: 7, body });
    const wanted = Buffer.from(expected.join('').replaceAll(' ', ''), 'hex');
    wanted.writeUInt32BE(wanted.length, 0);
    expect(written.toString('hex')).toBe(wanted.toString('hex'));
  });

  test('what is written is read as it was', () => {
    for (let n = 0; n < CASES; n++) {
      const pdu = anyPdu();
      expect(decodePdu(encodePdu(pdu))).toEqual({ ok: true, pdu });
    }
  });

  test('a field that does not fit is refused by name', () => {
    const body = { ...message(), destAddr: '1'.repeat(21) };
    expect(() => encodePdu({ command: COMMAND.submit_sm, status: 0, sequence: 1, body })).toThrow(/destination_addr/);
    const wide = { ...message(), sourceAddr: 'я' };
    expect(() => encodePdu({ command: COMMAND.submit_sm, status: 0, sequence: 1, body: wide })).toThrow(/source_addr/);
    const long = { ...message(), shortMessage: Buffer.alloc(255) };
    expect(() => encodePdu({ command: COMMAND.submit_sm, status: 0, sequence: 1, body: long })).toThrow(
      /short_message/,
    );
  });

  test('every cut and every changed octet is read or refused, never thrown, never beyond the end', () => {
    for (let n = 0; n < CASES; n++) {
      const whole = encodePdu(anyPdu());
      const cut = Buffer.from(whole.subarray(0, between(random, 0, whole.length)));
      if (cut.length >= 4) cut.writeUInt32BE(cut.length, 0);
      expect(typeof decodePdu(cut).ok).toBe('boolean');
      const changed = Buffer.from(whole);
      for (let each = between(random, 1, 6); each > 0; each--) changed[between(random, 4, changed.length - 1)] = u8();
      const decoded = decodePdu(changed);
      if (decoded.ok) expect(encodePdu(decoded.pdu).length).toBeLessThanOrEqual(changed.length + 80);
      else expect(decoded.problem).not.toBe('');
    }
  });

  test('noise is refused', () => {
    for (let n = 0; n < CASES; n++) {
      const noise = octets(400);
      if (noise.length >= 8 && n % 2 === 0) {
        noise.writeUInt32BE(noise.length, 0);
        noise.writeUInt32BE(between(random, 0, 10), 4);
      }
      expect(typeof decodePdu(noise).ok).toBe('boolean');
    }
  });

  test('strings without an end, lengths beyond it, and unknown commands', () => {
    const refusal = (hex: string) => {
      const body = Buffer.from(hex.replaceAll(' ', ''), 'hex');
      const head = Buffer.alloc(4);
      head.writeUInt32BE(body.length + 4);
      const decoded = decodePdu(Buffer.concat([head, body]));
      return decoded.ok ? 'read' : [decoded.status, decoded.problem];
    };
    expect(refusal('00000005 00000000 00000001 4142')).toEqual([ESME.RINVCMDLEN, 'a string without its end']);
    expect(refusal('00000005 00000000 00000001 41424344454600')).toEqual([
      ESME.RINVCMDLEN,
      'a string longer than 5 octets',
    ]);
    const start = '00000005 00000000 00000001 00 0000 00 0000 00 000000 00 00 00000000';
    expect(refusal(`${start} 05 41`)).toEqual([ESME.RINVCMDLEN, '5 octets announced, 1 there']);
    expect(refusal(`${start} 00 0424 00ff 41`)).toEqual([ESME.RINVCMDLEN, '255 octets announced, 1 there']);
    expect(refusal(`${start} 00`)).toBe('read');
    expect(refusal('00000999 00000000 00000001')).toEqual([ESME.RINVCMDID, 'unknown command']);
    // An answer with an error may lack its body; odd octets after an id are no reason to lose the id.
    expect(refusal('80000004 00000058 00000001')).toBe('read');
    expect(refusal('80000004 00000000 00000001 343200 00')).toBe('read');
  });
});

describe('framer', () => {
  test('PDUs in chunks of any size', () => {
    for (let round = 0; round < 200; round++) {
      const pdus = Array.from({ length: between(random, 1, 12) }, () => encodePdu(anyPdu()));
      const stream = Buffer.concat(pdus);
      const framer = new PduFramer();
      const frames: string[] = [];
      for (let at = 0; at < stream.length; ) {
        const size = between(random, 1, round % 2 ? 5 : 900);
        for (const frame of framer.push(stream.subarray(at, at + size)).frames) frames.push(frame.toString('hex'));
        at += size;
      }
      expect(frames).toEqual(pdus.map((pdu) => pdu.toString('hex')));
    }
  });

  test.each([0, 4, 12, 15, MAX_PDU_OCTETS + 1, 2 ** 31, 2 ** 32 - 1])('a length of %d ends the stream', (length) => {
    const good = encodePdu({ command: COMMAND.enquire_link, status: 0, sequence: 1, body: null });
    const bad = Buffer.alloc(4);
    bad.writeUInt32BE(length);
    const framer = new PduFramer();
    const result = framer.push(Buffer.concat([good, bad, good]));
    expect(result).toMatchObject({ fault: `a PDU of ${length} octets` });
    expect(result.frames).toHaveLength(1);
    expect(framer.push(good)).toEqual({ frames: [] });
  });

  test('a PDU of the largest size in single octets is not quadratic', () => {
    const whole = Buffer.alloc(MAX_PDU_OCTETS);
    whole.writeUInt32BE(MAX_PDU_OCTETS, 0);
    const framer = new PduFramer();
    const begin = process.cpuUsage();
    let frames = 0;
    for (let at = 0; at < whole.length; at++) frames += framer.push(whole.subarray(at, at + 1)).frames.length;
    expect(frames).toBe(1);
    expect(process.cpuUsage(begin).user).toBeLessThan(1_000_000);
  });
});
