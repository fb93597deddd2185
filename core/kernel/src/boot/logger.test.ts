import { createLogger } from './logger';

function written(level: string, fields: Record<string, unknown>): Record<string, unknown> {
  const lines: string[] = [];
  createLogger(level, { write: (line) => lines.push(line) }).info(fields, 'said');
  return JSON.parse(lines[0] ?? 'null') as Record<string, unknown>;
}

describe('the log', () => {
  it('writes one JSON object per line with level, time and message', () => {
    expect(written('info', { spool_id: 7 })).toMatchObject({
      level: 'info',
      message: 'said',
      spool_id: 7,
      time: expect.stringMatching(/Z$/),
    });
  });

  it.each([
    ['at the top', { password: 'hush' }],
    ['below', { provider: { settings: { dkim_private_key: 'hush' } } }],
    ['in a list', { rows: [{ token: 'hush' }] }],
    ['in other case', { headers: { Authorization: 'hush' } }],
  ])('removes secrets %s', (_where, fields) => {
    expect(JSON.stringify(written('info', fields))).not.toContain('hush');
  });

  it('writes of an error its name, message, code and stack, and nothing that hangs on it', () => {
    const error = Object.assign(new Error('no'), {
      code: 'E1',
      config: { auth: { pass: 'hush' } },
      parameters: ['hush'],
    });
    const line = JSON.stringify(written('info', { error }));
    expect(line).toContain('"code":"E1"');
    expect(line).not.toContain('hush');
  });

  it('never throws, whatever it is given', () => {
    const circle: Record<string, unknown> = {
      reason: new DOMException('late', 'TimeoutError'),
      big: 10n,
      at: new Date(Number.NaN),
    };
    circle.self = circle;
    Object.defineProperty(circle, 'bad', {
      enumerable: true,
      get: () => {
        throw new Error('getter');
      },
    });
    expect(() => written('info', circle)).not.toThrow();
  });

  it('can be silent', () => {
    expect(written('silent', {})).toBeNull();
  });
});
