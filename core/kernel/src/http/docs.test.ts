import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import express from 'express';
import helmet from 'helmet';
import { docsRouter } from './docs';
import { buildOpenApi } from './openapi';

const document = buildOpenApi([], { title: 'ICTCore', version: '1' });
let server: Server;
let base: string;

beforeAll(async () => {
  const router = docsRouter(document);
  const app = express().disable('etag').use(helmet()).use('/api', router).use('/', router);
  app.use((_request, response) => void response.status(404).json('the API'));
  server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => promisify(server.close.bind(server))());

describe.each(['', '/api'])('documentation below "%s"', (mount) => {
  test('the document', async () => {
    const answer = await fetch(`${base}${mount}/openapi.json`);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(await answer.json()).toEqual(document);
    const again = await fetch(`${base}${mount}/openapi.json`, {
      headers: { 'if-none-match': answer.headers.get('etag') ?? '' },
    });
    expect(again.status).toBe(304);
  });

  test('the page and everything it refers to come from here', async () => {
    const answer = await fetch(`${base}${mount}/docs`);
    const page = await answer.text();
    expect(answer.headers.get('content-type')).toMatch(/^text\/html/);
    expect(page).not.toMatch(/https?:/);
    const references = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, reference]) => reference as string);
    expect(references.length).toBe(4);
    for (const reference of references) {
      const asset = await fetch(new URL(reference, `${base}${mount}/docs`));
      expect([reference, asset.status]).toEqual([reference, 200]);
      const bytes = Buffer.from(await asset.arrayBuffer());
      expect(bytes.length).toBeGreaterThan(100);
      if (reference.endsWith('start.js')) {
        const url = /url: '([^']+)'/.exec(bytes.toString())?.[1] as string;
        expect((await fetch(new URL(url, `${base}${mount}/docs`))).status).toBe(200);
        expect(bytes.toString()).toContain('validatorUrl: null');
      }
    }
  });

  test('the policy lets no foreign script in and does not force TLS', async () => {
    const policy = (await fetch(`${base}${mount}/docs`)).headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'; script-src 'self';");
    expect(policy).not.toMatch(/https?:|upgrade-insecure-requests|unsafe-eval/);
  });

  test('a slash at the end leads back to where relative addresses work', async () => {
    const answer = await fetch(`${base}${mount}/docs/`);
    expect(answer.url).toBe(`${base}${mount}/docs`);
  });

  test('nothing else is served', async () => {
    for (const name of ['index.html', 'package.json', '..%2fpackage.json', 'swagger-ui.js.map']) {
      const answer = await fetch(`${base}${mount}/docs/${name}`);
      expect([name, answer.status]).toEqual([name, 404]);
    }
  });
});
