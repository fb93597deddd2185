import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describeWithPeer, type PostfixPeer, startPostfix } from '@ictcore/test-peers';
import { ADMIN_PASSWORD, eventually, RunningServer } from './support/running-server';
import { codeBlocks, ROOT, withValues } from './support/shell-blocks';

const HEADING = '## A first message in five minutes';

interface Spool {
  status: string;
  response: string;
  time_end: number | null;
}

/** What a reader's shell says. Not thrown: a test shows all of it. */
function bash(script: string): Promise<{ code: number; output: string; errors: string }> {
  return new Promise((resolve) => {
    const child = execFile('bash', ['-euo', 'pipefail'], { timeout: 60_000 }, (error, output, errors) =>
      resolve({ code: error ? Number(error.code ?? -1) : 0, output, errors }),
    );
    child.stdin?.end(script);
  });
}

/** The section's blocks `from` up to `to`, with values of our own in place of the reader's. */
function script(values: Record<string, string>, from: number, to: number): string {
  const blocks = codeBlocks('README.md', 'bash', HEADING);
  return withValues(blocks.slice(from, to).join('\n'), values);
}

test('README names the two commands of the promise', () => {
  const readme = readFileSync(path.join(ROOT, 'README.md'), 'utf8');
  expect(readme).toContain('\nnpm ci && npm start\n');
  expect(readme).toContain('\nnpm ci && npm test\n');
});

test('links of README and docs lead somewhere', () => {
  const files = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'config/README.md'].concat(
    ['glossary', 'configuration', 'guides/operations', 'guides/plugins', 'guides/providers'].map(
      (name) => `docs/${name}.md`,
    ),
  );
  const dead = files.flatMap((file) =>
    [...readFileSync(path.join(ROOT, file), 'utf8').matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)]
      .map(([, target]) => path.join(path.dirname(file), target as string))
      .filter((target) => !existsSync(path.join(ROOT, target)))
      .map((target) => `${file}: ${target}`),
  );
  expect(dead).toEqual([]);
});

describeWithPeer('curl', 'five minutes, the text message', () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await RunningServer.start();
  });
  afterAll(() => server?.dispose());

  test('the commands as they stand send an SMS through loopback', async () => {
    const { code, output, errors } = await bash(
      script({ API: `${server.url}/api`, PASSWORD: ADMIN_PASSWORD }, 0, 2).concat('\necho "\nSMS=$SMS"'),
    );
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(output).toContain('"status":"ok"');
    const id = idOf(output, 'SMS');
    expect(await finalStatus(server, id)).toBe('completed');
    const spools = await server.admin().get<Spool[]>(`/transmissions/${id}/detail`);
    expect(spools).toMatchObject([{ status: 'completed', response: expect.stringContaining('loopback') }]);
  });

  test('a wrong password is refused in words, and the test of the commands sees it', async () => {
    const { code, errors } = await bash(script({ API: `${server.url}/api`, PASSWORD: 'wrong one' }, 0, 2));
    expect(code).not.toBe(0);
    expect(errors).toContain('error: 401');
  });
});

describeWithPeer(['postfix', 'curl'], 'five minutes, the real e-mail', () => {
  const login = { username: 'sender', password: "pass 'word' 1" };
  let server: RunningServer;
  let postfix: PostfixPeer;
  beforeAll(async () => {
    [server, postfix] = await Promise.all([RunningServer.start(), startPostfix({ mode: 'mailbox', auth: login })]);
  }, 60_000);
  afterAll(async () => {
    await server?.dispose();
    await postfix?.stop();
  });

  test('all commands as they stand: the mail arrives', async () => {
    const values = {
      API: `${server.url}/api`,
      PASSWORD: ADMIN_PASSWORD,
      SMTP_HOST: postfix.host,
      SMTP_PORT: String(postfix.port),
      SMTP_USER: login.username,
      SMTP_PASSWORD: login.password,
      MAIL_FROM: 'office@example.com',
      MAIL_TO: 'reader@example.net',
    };
    const { code, output, errors } = await bash(script(values, 0, 99).concat('\necho "\nMAIL=$MAIL"'));
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(output).toContain('{"state":"ok"');
    const id = idOf(output, 'MAIL');
    expect(await finalStatus(server, id)).toBe('completed');
    const [spool] = await server.admin().get<Spool[]>(`/transmissions/${id}/detail`);
    expect(spool).toMatchObject({ status: 'completed', response: expect.stringMatching(/^250 /) });
    const [mail] = await postfix.waitForMessages('reader@example.net', 1);
    expect(mail?.envelopeFrom).toBe('office@example.com');
    expect(mail?.data.toString()).toContain('Subject: Hello from ICTCore');
    expect(mail?.data.toString()).toMatch(/It is \d{4}-\d\d-\d\d, and this server sends e-mail/);
  }, 60_000);
});

function idOf(output: string, name: string): number {
  return Number(new RegExp(`^${name}=(\\d+)$`, 'm').exec(output)?.[1]);
}

function finalStatus(server: RunningServer, id: number): Promise<unknown> {
  return eventually(
    () => server.admin().get<string>(`/transmissions/${id}/status`),
    (status) => status !== 'processing' && status !== 'pending',
  );
}
