import { decodeGsm7, encodeGsm7, packSeptets, unpackSeptets } from './gsm7';
import { decodeUcs2, encodeUcs2 } from './ucs2';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('GSM 7 bit alphabet', () => {
  test('positions of the tables of TS 23.038', () => {
    expect(hex(encodeGsm7('@£$¥èéùìòÇ\nØø\rÅå'))).toBe('000102030405060708090a0b0c0d0e0f');
    expect(hex(encodeGsm7('Δ_ΦΓΛΩΠΨΣΘΞ'))).toBe('101112131415161718191a');
    expect(hex(encodeGsm7('ÆæßÉ ¤¡ÄÖÑÜ§¿äöñüà'))).toBe('1c1d1e1f2024405b5c5d5e5f607b7c7d7e7f');
    expect(hex(encodeGsm7('\f^{}\\[~]|€'))).toBe('1b0a1b141b281b291b2f1b3c1b3d1b3e1b401b65');
  });

  test('every character of the alphabet comes back', () => {
    const all = Array.from({ length: 128 }, (_, code) => code).filter((code) => code !== 0x1b);
    const text = decodeGsm7(Uint8Array.from(all));
    expect(new Set(text).size).toBe(127);
    expect([...encodeGsm7(text)]).toEqual(all);
    const extended = '\f^{}\\[~]|€';
    expect(decodeGsm7(encodeGsm7(extended))).toBe(extended);
  });

  test('what the alphabet lacks becomes one question mark each', () => {
    expect(decodeGsm7(encodeGsm7('a😀b漢c\u0000'))).toBe('a?b?c?');
    expect(decodeGsm7(encodeGsm7('\ud83d'))).toBe('?');
  });

  test('unknown and broken escapes are shown as the standard says', () => {
    expect(decodeGsm7(Uint8Array.of(0x1b, 0x41))).toBe('A');
    expect(decodeGsm7(Uint8Array.of(0x1b, 0x1b, 0x41))).toBe(' A');
    expect(decodeGsm7(Uint8Array.of(0x41, 0x1b))).toBe('A ');
    expect(decodeGsm7(Uint8Array.of(0xc1))).toBe('A');
  });
});

describe('packed septets', () => {
  test('known values', () => {
    // "hello" is the classic example of TS 23.038 packing.
    expect(hex(packSeptets(encodeGsm7('hello')))).toBe('e8329bfd06');
    expect(hex(packSeptets(encodeGsm7('hellohello')))).toBe('e8329bfd4697d9ec37');
  });

  test('any text at any alignment comes back', () => {
    for (let length = 0; length <= 170; length++) {
      const septets = Uint8Array.from({ length }, (_, i) => (i * 37 + length) % 128);
      for (let fillBits = 0; fillBits < 7; fillBits++) {
        const packed = packSeptets(septets, fillBits);
        expect(packed.length).toBe(Math.ceil((length * 7 + fillBits) / 8));
        expect(unpackSeptets(packed, length, fillBits)).toEqual(septets);
      }
    }
  });

  test('160 septets are 140 octets, 153 after a header the other 134 with one fill bit', () => {
    expect(packSeptets(new Uint8Array(160)).length).toBe(140);
    expect(packSeptets(new Uint8Array(153), 1).length).toBe(134);
  });

  test('too few octets are refused', () => {
    expect(() => unpackSeptets(new Uint8Array(7), 9)).toThrow(RangeError);
  });
});

describe('UCS-2', () => {
  test('big-endian words, surrogate pairs for the rest', () => {
    expect(encodeUcs2('Aا😀').toString('hex')).toBe('00410627d83dde00');
    expect(decodeUcs2(Buffer.from('00410627d83dde00', 'hex'))).toBe('Aا😀');
  });

  test('a lone surrogate survives, an odd byte is dropped', () => {
    expect(decodeUcs2(encodeUcs2('a\ud83d'))).toBe('a\ud83d');
    expect(decodeUcs2(Buffer.from('004100', 'hex'))).toBe('A');
  });

  test('the input is left alone', () => {
    const bytes = Buffer.from('0041', 'hex');
    decodeUcs2(bytes);
    expect(bytes.toString('hex')).toBe('0041');
  });
});
