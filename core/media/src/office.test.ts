import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';
import { type Bench, failureOf, hasProgram, inkIn, itIf, openBench, readPage } from './fixtures.test.util';
import { officeCommand } from './office';

const office = hasProgram('soffice') || hasProgram('libreoffice');
const ready = office && hasProgram('bwrap');
const withOffice = itIf(ready, 'libreoffice and bubblewrap are not installed');
const withoutOffice = itIf(!office, 'libreoffice is installed');

let bench: Bench;
beforeAll(() => {
  bench = openBench();
});
afterAll(() => bench.close());

const RTF = '{\\rtf1\\ansi{\\fonttbl\\f0 Sans;}\\f0\\fs48 Hello from an office document.\\page Second page.\\par}';

function fax(path: string, mediaType: string, name: string) {
  return bench.media.convertToFax([{ path, mediaType }], { quality: 'fine' }, bench.path(name));
}

describe('office documents', () => {
  withOffice('become fax pages', async () => {
    const made = await fax(bench.file('a.rtf', RTF), 'application/rtf', 'a.tif');
    expect(made).toMatchObject({ pages: 2, width: 1728, height: 2292 });
    const page = await readPage(bench.path('a.tif'), 0);
    expect(inkIn(page, { left: 0.05, top: 0.05, right: 0.95, bottom: 0.2 })).toBeGreaterThan(0.005);
    expect(inkIn(page, { left: 0, top: 0.5, right: 1, bottom: 1 })).toBe(0);
    expect(readdirSync(bench.scratch)).toEqual([]);
  });

  withOffice('docx and ods, made by LibreOffice itself, and a picture behind them', async () => {
    const folder = bench.path('made');
    const profile = `-env:UserInstallation=file://${bench.path('profile')}`;
    for (const [source, format, mediaType] of [
      [bench.file('b.rtf', RTF), 'docx', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document'],
      [bench.file('c.csv', 'name,value\nx,1\n'), 'ods', 'application/vnd.oasis.opendocument.spreadsheet'],
    ] as const) {
      const args = [profile, '--headless', '--convert-to', format, '--outdir', folder, source];
      execFileSync('soffice', args, { stdio: 'ignore', timeout: 60_000 });
      const path = source.replace(bench.path(''), `${folder}/`).replace(/\.\w+$/, `.${format}`);
      expect(existsSync(path)).toBe(true);
      const kind = await bench.media.sniff(path, { mediaType });
      expect(kind).toMatchObject({ ok: true, mediaType, family: 'office' });
      const text = { path: bench.file('t.txt', 'x'), mediaType: 'text/plain' };
      const inputs = [{ path, mediaType }, text];
      const made = await bench.media.convertToFax(inputs, { quality: 'standard' }, bench.path('both.tif'));
      expect(made.pages).toBe(format === 'docx' ? 3 : 2);
    }
  });

  withOffice('that are damaged get a clear error', async () => {
    const mediaType = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
    const failure = await failureOf(
      fax(bench.file('bad.docx', Buffer.from('PK\x03\x04 nothing')), mediaType, 'no.tif'),
    );
    expect(failure.code).toBe('MEDIA_NOT_CONVERTIBLE');
  });

  withOffice('are given up when they are aborted', async () => {
    const controller = new AbortController();
    await bench.media.capabilities();
    const input = { path: bench.file('d.rtf', RTF), mediaType: 'application/rtf' };
    const run = bench.media.convertToFax([input], { quality: 'fine', signal: controller.signal }, bench.path('no.tif'));
    setTimeout(() => controller.abort(new Error('enough')), 300);
    await expect(run).rejects.toThrow('enough');
    expect(readdirSync(bench.scratch)).toEqual([]);
  });

  withoutOffice('get an answer that says what to install', async () => {
    const failure = await failureOf(fax(bench.file('a.rtf', RTF), 'application/rtf', 'a.tif'));
    expect(failure.code).toBe('MEDIA_TOOL_MISSING');
    expect(failure.message).toMatch(/Install libreoffice/);
  });

  it('get an answer that says what to install where the PATH has nothing', async () => {
    const path = process.env.PATH ?? '';
    process.env.PATH = '';
    const bare = openBench();
    try {
      const input = { path: bare.file('a.rtf', RTF), mediaType: 'application/rtf' };
      const failure = await failureOf(bare.media.convertToFax([input], { quality: 'fine' }, bare.path('a.tif')));
      expect(failure).toEqual({
        code: 'MEDIA_TOOL_MISSING',
        message:
          'This server cannot convert rtf. Install libreoffice and bubblewrap on the server, or upload a PDF instead.',
      });
      expect((await bare.media.capabilities()).office).toMatchObject({ available: false });
    } finally {
      process.env.PATH = path;
      await bare.close();
    }
  });
});

describe('HTML', () => {
  withOffice('becomes fax pages', async () => {
    const html = '<!doctype html><h1>Offer</h1><p>Dear customer</p>';
    const made = await fax(bench.file('a.html', html), 'text/html', 'html.tif');
    expect(made.pages).toBe(1);
    expect(
      inkIn(await readPage(bench.path('html.tif'), 0), { left: 0, top: 0, right: 1, bottom: 0.3 }),
    ).toBeGreaterThan(0.001);
  });

  withOffice('that embeds file:///etc/passwd gets a clear error', async () => {
    for (const html of ['<iframe src="file:///etc/passwd"></iframe>', '<img src=FILE:/etc/passwd>']) {
      const failure = await failureOf(fax(bench.file('evil.html', html), 'text/html', 'evil.tif'));
      expect(failure.code).toBe('MEDIA_NOT_CONVERTIBLE');
      expect(failure.message).toMatch(/refers to files of the server/);
    }
  });

  withOffice('that hides such a reference reads nothing; without the sandbox it would', async () => {
    const black = { create: { width: 400, height: 400, channels: 3 as const, background: '#000' } };
    const secret = bench.file('secret.png', await sharp(black).png().toBuffer());
    // A character reference hides the word from whoever looks for it in the text.
    const html = `<p>x</p><img src="&#102;ile://${secret}" width="400" height="400">`;
    const path = bench.file('hidden.html', html);
    await fax(path, 'text/html', 'hidden.tif');
    const profile = `-env:UserInstallation=file://${bench.path('profile')}`;
    const filter = '--infilter=HTML (StarWriter)';
    const args = [profile, '--headless', filter, '--convert-to', 'pdf', '--outdir', bench.path('open'), path];
    execFileSync('soffice', args, { stdio: 'ignore', timeout: 60_000 });
    await fax(bench.path('open/hidden.pdf'), 'application/pdf', 'open.tif');
    const ink = async (name: string): Promise<number> =>
      inkIn(await readPage(bench.path(name), 0), { left: 0, top: 0, right: 1, bottom: 1 });
    expect(await ink('open.tif')).toBeGreaterThan(0.05);
    expect(await ink('hidden.tif')).toBeLessThan(0.01);
  });

  withOffice(
    'and everything else in the sandbox sees no file, no process, no secret and no network of the server',
    async () => {
      // A program in the place of LibreOffice looks around.
      mkdirSync(bench.path('program/bin'), { recursive: true });
      mkdirSync(bench.path('job'));
      const secret = bench.file('secret.txt', 'hunter2');
      const script = `#!/bin/sh
      cat /etc/passwd /etc/hostname ${secret} ; ls -a /root /home /etc ; cat /proc/[0-9]*/cmdline | tr '\\0' ' '
      cat /proc/net/dev ; env ; echo out > /usr/x ; echo out > /job/result ; echo end`;
      const soffice = bench.file('program/bin/look', script);
      chmodSync(soffice, 0o700);
      const bwrap = '/usr/bin/bwrap';
      const { command, args } = await officeCommand({ soffice, bwrap, prlimit: undefined }, bench.path('job'), []);
      const env = { ...process.env, MEDIA_TEST_SECRET: 'hunter2' };
      const { stdout } = spawnSync(command, args, { encoding: 'utf8', env, timeout: 20_000 });
      expect(stdout).toContain('end');
      expect(stdout).not.toMatch(/root:|hunter2|shadow|passwd\n|jest|node /);
      expect(stdout.match(/^ *\w+: /gm)?.map((line) => line.trim())).toEqual(['lo:']);
      expect(readdirSync(bench.path('job'))).toEqual(['result']);
      expect(existsSync('/usr/x')).toBe(false);
    },
  );

  withOffice('reaches no network', async () => {
    let asked = 0;
    const server = createServer((_request, response) => {
      asked++;
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const html = `<img src="http://127.0.0.1:${port}/pixel.png" width="99" height="99"><p>x</p>`;
    await fax(bench.file('net.html', html), 'text/html', 'net.tif').catch(() => undefined);
    await new Promise((resolve) => server.close(resolve));
    expect(asked).toBe(0);
  });
});
