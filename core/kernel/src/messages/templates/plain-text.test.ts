import { plainTextOf } from './plain-text';

describe('plainTextOf', () => {
  test('text, links and lists; no markup, script or style', () => {
    expect(
      plainTextOf(
        '<html><head><title>t</title><style>p{}</style></head><body><h1>Big News</h1><p>See <a href="https://example.org/a">here</a>' +
          '<br>&amp; more</p><ul><li>one</li><li>two</li></ul><script>alert(1)</script><img src="x.png" alt="logo"></body></html>',
      ),
    ).toBe('Big News\n\nSee here (https://example.org/a)\n& more\n\n * one\n * two');
  });

  test('tokens stay whole, in headings, table headers, links and long lines', () => {
    const token = '[contact:first_name|my dear friend from far away]';
    const html = `<h2>${token}</h2><table><tr><th>${token}</th></tr></table><p>${'word '.repeat(40)}${token}</p><a href="https://x.org/[contact:custom1]">go</a>`;
    const text = plainTextOf(html);
    expect(text.split(token).length - 1).toBe(3);
    expect(text).toContain('(https://x.org/[contact:custom1])');
  });

  test.each([
    ['nested', '<div>'],
    ['tables', '<table><tr><td>'],
    ['lists', '<ul><li>'],
    ['never closed', '<div></x>'],
    ['angles', '<'],
    ['ampersands', '&'],
    ['half tags', '<a '],
    ['comments', '<!--'],
    ['breaks', '<br>'],
  ])('hostile markup neither exhausts the stack nor takes long: %s', (_name, piece) => {
    const start = Date.now();
    expect(typeof plainTextOf(`${piece.repeat(2_000_000 / piece.length)}x`)).toBe('string');
    // Half a minute and more without the limit; generous for a busy machine.
    expect(Date.now() - start).toBeLessThan(5_000);
  });

  test('markup beyond the limit is dropped, the text stays', () => {
    const text = plainTextOf(`${'<div>'.repeat(30_000)}<p>one</p><p>5 &lt; 6 <b>[a:b]</b></p>`);
    expect(text).toMatch(/^one\n+5 < 6 \[a:b\]$/);
  });

  test('nothing of nothing', () => {
    expect(plainTextOf('')).toBe('');
    expect(plainTextOf('<img src="x">')).toBe('');
  });
});
