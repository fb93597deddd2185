import { isIctError } from '@ictcore/contract';
import { compileTemplate, isToken, type RenderOptions, render, type TokenContext } from './tokens';

const context: TokenContext = {
  contact: {
    contact_id: 7,
    first_name: 'Ann',
    last_name: null,
    phone: '+15550100',
    custom1: '<b>&"\'',
    description: '',
  },
  account: { first_name: 'Sales', phone: '4420', passwd: 'hidden' },
  company: { name: 'Acme' },
  transmission: { transmission_id: 12, contact: { first_name: 'Ann' }, result: { pages: { data: 3 } } },
  secrets: { key: 'hidden' },
  date: '2026-02-03',
};

function fill(text: string, options: Partial<RenderOptions> = {}): string {
  return render(compileTemplate(text), context, { mode: 'keep', escape: 'none', ...options });
}

describe('tokens', () => {
  test.each([
    ['Hi [contact:first_name]!', 'Hi Ann!'],
    ['[contact:contact_id][contact:phone]', '7+15550100'],
    ['[transmission:contact:first_name] [transmission:result:pages:data]', 'Ann 3'],
    ['[date]', '2026-02-03'],
    ['[[contact:first_name]]', '[Ann]'],
    ['[x [contact:first_name] y]', '[x Ann y]'],
    ['a[0], [see below], [contact first_name], [contact::phone], [:], [], [contact:]', undefined],
    ['[contact:first_name', undefined],
    ['[contact:first_name|never closed', undefined],
    ['[contact:first_name|a[contact:phone]', '[contact:first_name|a+15550100'],
    ['no token', undefined],
    ['', undefined],
  ])('%s', (text, expected) => {
    expect(fill(text)).toBe(expected ?? text);
  });

  test('a default stands in for what is unknown, null or blank', () => {
    expect(fill('Dear [contact:last_name|customer]')).toBe('Dear customer');
    expect(fill('[contact:description|none] [contact:first_name|there] [contact:nothing|x]')).toBe('none Ann x');
    expect(fill('[contact:last_name|]', { mode: 'fail' })).toBe('');
  });

  test('modes for unknown tokens', () => {
    const text = 'a [contact:last_name] [nobody:knows] b';
    expect(fill(text, { mode: 'keep' })).toBe(text);
    expect(fill(text, { mode: 'empty' })).toBe('a   b');
    const error = thrown(() => fill(text, { mode: 'fail' }));
    expect(error).toMatchObject({ code: 'TOKEN_UNKNOWN', status: 412 });
    expect(error.message).toContain('[contact:last_name], [nobody:knows]');
  });

  test('a blank value is a value', () => {
    expect(fill('<[contact:description]>', { mode: 'fail' })).toBe('<>');
  });

  test('outside the white list nothing is looked up, even if the context holds it', () => {
    for (const text of [
      '[account:passwd]',
      '[secrets:key]',
      '[contact]',
      '[contact:first_name:length]',
      '[contact:__proto__]',
      '[contact:constructor:name]',
      '[request:constructor:name]',
      '[__proto__:toString]',
    ]) {
      expect(fill(text)).toBe(text);
      expect(fill(text, { mode: 'empty' })).toBe('');
    }
  });

  test('values are escaped in HTML, the author and his defaults are not', () => {
    expect(fill('<p title="[contact:custom1]">[contact:last_name|<i>you</i>]</p>', { escape: 'html' })).toBe(
      '<p title="&lt;b&gt;&amp;&quot;&#39;"><i>you</i></p>',
    );
  });

  test('no header can be smuggled in', () => {
    const compiled = compileTemplate('Hello [contact:first_name]\r\nX: 1');
    const evil = { contact: { first_name: 'Ann\r\nBcc: all@example.org\u0000\u2028' } };
    expect(render(compiled, evil, { mode: 'keep', escape: 'header' })).toBe('Hello Ann Bcc: all@example.org X: 1');
  });

  test('a value that looks like a token is not resolved again', () => {
    const compiled = compileTemplate('[contact:first_name]');
    const evil = { contact: { first_name: '[company:name]' }, company: { name: 'Acme' } };
    expect(render(compiled, evil, { mode: 'keep', escape: 'none' })).toBe('[company:name]');
  });

  test('a result beyond the limit is refused before it fills the memory', () => {
    const compiled = compileTemplate('[contact:custom1]'.repeat(1000));
    const long = { contact: { custom1: 'x'.repeat(100_000) } };
    const error = thrown(() => render(compiled, long, { mode: 'keep', escape: 'none' }));
    expect(error).toMatchObject({ code: 'RENDERED_TOO_LARGE', status: 413 });
  });

  test('exactly one token', () => {
    expect(isToken('[document:document_id]')).toBe(true);
    expect(isToken('[contact:first_name|x]')).toBe(true);
    for (const value of ['12', 12, null, ' [a:b]', '[a:b] ', '[a:b][c:d]', '[]', '[a b]'])
      expect(isToken(value)).toBe(false);
  });

  test('compiles once, renders for all', () => {
    const compiled = compileTemplate('Hi [contact:first_name]');
    expect(compiled.dynamic).toBe(true);
    expect(compileTemplate('Hi').dynamic).toBe(false);
    const rendered = Array.from({ length: 1000 }, (_, i) =>
      render(compiled, { contact: { first_name: `n${i}` } }, { mode: 'keep', escape: 'none' }),
    );
    expect(rendered[999]).toBe('Hi n999');
  });

  test.each([
    ['open brackets', (n: number) => '['.repeat(n)],
    ['names without end', (n: number) => `[${'a:'.repeat(n / 2)}`],
    ['defaults without end', (n: number) => '[a|'.repeat(n / 3)],
    ['one long default', (n: number) => `[a|${'x'.repeat(n)}`],
  ])('hostile input takes linear time: %s', (_name, make) => {
    const time = (length: number) => {
      const text = make(length);
      const start = process.hrtime.bigint();
      const compiled = compileTemplate(text);
      expect(render(compiled, context, { mode: 'keep', escape: 'none' })).toBe(text);
      return Number(process.hrtime.bigint() - start);
    };
    time(50_000);
    const best = (length: number) => Math.min(...Array.from({ length: 5 }, () => time(length)));
    // 16 times the text: quadratic would be 256 times the time.
    expect(best(800_000) / best(50_000)).toBeLessThan(100);
  });
});

function thrown(work: () => unknown): { code: string; status: number; message: string } {
  try {
    work();
  } catch (error) {
    if (isIctError(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
