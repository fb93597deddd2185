import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Actor, Logger } from '@ictcore/contract';
import express from 'express';
import yauzl from 'yauzl';
import type { Config } from '../boot/config';
import { Contact, ContactService } from '../contacts';
import { ResourceDirectory } from '../database/resource-directory';
import { buildRouter, errorHandler } from '../http/router';
import { MediaStorage } from '../media';
import { type TestKernelDatabase, testDatabase } from '../testing/test-database';
import { KernelMessages } from './message.service';
import {
  ATTACHMENT_KEYS,
  AttachmentStore,
  renderTemplate,
  Template,
  TemplateService,
  templateRoutes,
} from './templates';
import { renderText, Text, TextService, textRoutes } from './texts';

const silent = { debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;
const actor = (userId: number, admin = false): Actor => ({
  userId,
  username: `u${userId}`,
  can: (permission) => admin || !permission.endsWith('_admin'),
});

let db: TestKernelDatabase;
let folder: string;
let storage: MediaStorage;
let templates: TemplateService;
let texts: TextService;
let messages: KernelMessages;
let server: http.Server;
let base: string;
let ann: Actor;
let bob: Actor;
let admin: Actor;

async function makeUser(name: string): Promise<number> {
  const [row] = await db.database.query<{ user_id: number }>(
    `insert into usr (username, passwd, email, first_name, company, timezone_id)
     values ($1::text, 'x', $1::text || '@example.org', initcap($1::text), 'Acme', 3600) returning user_id`,
    [name],
  );
  return row?.user_id as number;
}

beforeAll(async () => {
  db = await testDatabase([Contact, Template, Text]);
  folder = await mkdtemp(path.join(os.tmpdir(), 'ictcore-messages-'));
  const config = { data_dir: folder, company: { name: 'Acme & Co', email: '', phone: '', address: '' } } as Config;
  storage = new MediaStorage(config, silent);
  const contacts = new ContactService(db.database, config, new ResourceDirectory());
  templates = new TemplateService(db.database, config, contacts, new AttachmentStore(storage));
  texts = new TextService(db.database, config, contacts);
  messages = new KernelMessages(db.database, texts, templates);
  [ann, bob] = [actor(await makeUser('ann')), actor(await makeUser('bob'))];
  admin = actor(await makeUser('root'), true);
  const byName: Record<string, Actor> = { ann, bob, admin };
  const app = express().use(
    '/api',
    buildRouter([...templateRoutes(templates), ...textRoutes(texts)], {
      authenticator: { authenticate: async (request) => byName[String(request.headers['x-user'])] as Actor },
      log: silent,
      maxBodyBytes: 10_000_000,
      scratch: path.join(folder, 'scratch'),
      legacyGet: true,
    }),
  );
  app.use(errorHandler(silent));
  server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`;
});

afterAll(async () => {
  await promisify(server.close.bind(server))();
  await storage.settle();
  await db.close();
  await rm(folder, { recursive: true, force: true });
});

interface Answer {
  status: number;
  body: never;
  headers: Headers;
  bytes: Buffer;
}

async function call(
  user: string,
  method: string,
  at: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const raw = body instanceof FormData || body instanceof Uint8Array;
  const response = await fetch(base + at, {
    method,
    headers: { 'x-user': user, ...(!raw && body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: raw ? body : JSON.stringify(body) }),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    body: (isJson ? JSON.parse(bytes.toString()) : undefined) as never,
    headers: response.headers,
    bytes,
  };
}

async function makeContact(owner: Actor, values: Record<string, string>): Promise<number> {
  const [row] = await db.database.adHoc<{ contact_id: number }>(
    `insert into contact (created_by, phone, ${Object.keys(values)}) values ($1, '+15550100',
     ${Object.keys(values).map((_, i) => `$${i + 2}`)}) returning contact_id`,
    [owner.userId, ...Object.values(values)],
  );
  return row?.contact_id as number;
}

/** A program of `owner` that uses the message and has one transmission in this state. */
async function makeUse(
  owner: Actor,
  kind: string,
  id: number,
  status: string,
): Promise<{ program: number; transmission: number }> {
  const [row] = await db.database.query<{ program: number; transmission: number }>(
    `with p as (insert into program (name, type, created_by) values ('spring news', 'send', $1) returning program_id),
          r as (insert into program_resource select program_id, $2, $3 from p),
          x as (insert into transmission (service_flag, program_id, status, created_by)
                select 4, program_id, $4, $1 from p returning transmission_id)
     select program_id as program, transmission_id as transmission from p, x`,
    [owner.userId, kind, id, status],
  );
  return row as never;
}

describe('texts', () => {
  test('encoding, length and segments follow from the text, whatever the client says', async () => {
    const created = await call('ann', 'POST', '/messages/texts', {
      name: 'hello',
      data: '5 €',
      encoding: 2,
      length: 99,
      segments: 7,
      text_id: 12345,
      unknown: 1,
    });
    expect(created).toMatchObject({ status: 200, body: expect.any(Number) });
    const at = `/texts/${created.body}`;
    expect((await call('ann', 'GET', at)).body).toMatchObject({
      name: 'hello',
      data: '5 €',
      type: 'UTF-8',
      description: '',
      length: 3,
      encoding: 0,
      class: 1,
      segments: 1,
      user_id: ann.userId,
      message_id: created.body,
      last_updated: null,
    });
    const urdu = 'آپ کا پیغام موصول ہو گیا ہے، شکریہ۔ '.repeat(3);
    expect((await call('ann', 'PUT', at, { data: urdu, class: 'flash', type: null })).body).toMatchObject({
      name: 'hello',
      encoding: 2,
      length: [...urdu].length,
      segments: Math.ceil(urdu.length / 67),
      class: 8,
      type: 'UTF-8',
    });
    expect((await call('ann', 'PUT', at, { description: 'x' })).body).toMatchObject({ encoding: 2, class: 8 });
    const read = (await call('ann', 'GET', at)).body;
    expect((await call('ann', 'PUT', at, read)).status).toBe(200);
  });

  test.each([
    ['normal', 1],
    ['Flash', 8],
    [0, 0],
    ['2', 2],
    [8, 8],
  ])('class %p is stored as %d', async (given, stored) => {
    const { body } = await call('ann', 'POST', '/texts', { name: 'c', data: 'x', class: given });
    expect((await call('ann', 'GET', `/texts/${body}`)).body).toMatchObject({ class: stored });
  });

  test.each([
    [{ data: 'x' }, 'name'],
    [{ name: 'x' }, 'data'],
    [{ name: 'x', data: '' }, 'data'],
    [{ name: 'x', data: 'y\u0000' }, 'data'],
    [{ name: 'x'.repeat(129), data: 'y' }, 'name'],
    [{ name: 'x', data: 'y', class: 3 }, 'class'],
    [{ name: 'x', data: 'y', class: 'loud' }, 'class'],
    [{ name: 'x', data: 'я'.repeat(67 * 255 + 1) }, 'data'],
  ])('412 naming the field: %#', async (body, field) => {
    const answer = await call('ann', 'POST', '/messages/texts', body);
    expect(answer).toMatchObject({ status: 412, body: { error: { details: [{ field }] } } });
  });

  test('255 segments are possible', async () => {
    const { body } = await call('ann', 'POST', '/texts', { name: 'long', data: 'я'.repeat(67 * 255) });
    expect((await call('ann', 'GET', `/texts/${body}`)).body).toMatchObject({ segments: 255 });
  });

  test('others see nothing of it', async () => {
    const { body: id } = await call('ann', 'POST', '/texts', { name: 'private', data: 'x' });
    for (const [method, at, body] of [
      ['GET', ''],
      ['PUT', '', { name: 'y' }],
      ['DELETE', ''],
      ['POST', '/preview', {}],
    ] as const) {
      expect((await call('bob', method, `/texts/${id}${at}`, body)).status).toBe(404);
    }
    expect((await call('bob', 'GET', '/texts?name=private')).body).toEqual([]);
    expect((await call('admin', 'GET', `/texts/${id}`)).status).toBe(200);
  });

  test('lists filter', async () => {
    await call('bob', 'POST', '/texts', { name: 'Alpha', data: 'x', description: 'first', type: 'GSM' });
    await call('bob', 'POST', '/texts', { name: 'Beta', data: 'needle' });
    const names = async (query: string) =>
      ((await call('bob', 'GET', `/messages/texts?${query}`)).body as { name: string }[]).map((row) => row.name);
    expect(await names('')).toEqual(['Alpha', 'Beta']);
    expect(await names('name=alph')).toEqual(['Alpha']);
    expect(await names('type=gsm')).toEqual(['Alpha']);
    expect(await names('description=FIRST')).toEqual(['Alpha']);
    expect(await names('q=needle')).toEqual(['Beta']);
    expect(await names('sort=-name&limit=1')).toEqual(['Beta']);
    expect((await call('bob', 'GET', '/texts?text_id=abc')).status).toBe(412);
  });

  test('a preview fills the tokens in and measures the result', async () => {
    const { body: id } = await call('ann', 'POST', '/texts', {
      name: 'p',
      data: 'Hi [contact:first_name|there], [user:company] [company:name] [nobody:knows]',
    });
    const contact = await makeContact(ann, { first_name: 'Zoë€' });
    expect((await call('ann', 'POST', `/messages/texts/${id}/preview`, { contact_id: contact })).body).toMatchObject({
      data: 'Hi Zoë€, Acme Acme & Co [nobody:knows]',
      encoding: 2,
      segments: 1,
    });
    expect((await call('ann', 'POST', `/texts/${id}/preview`, {})).body).toMatchObject({
      data: 'Hi there, Acme Acme & Co [nobody:knows]',
      encoding: 0,
    });
    const foreign = await makeContact(bob, { first_name: 'Secret' });
    expect(await call('ann', 'POST', `/texts/${id}/preview`, { contact_id: foreign })).toMatchObject({ status: 412 });
  });

  test('deleting: refused while a program needs it, by name; force for administrators', async () => {
    const { body: id } = await call('ann', 'POST', '/texts', { name: 'used', data: 'x' });
    const use = await makeUse(ann, 'text', id, 'pending');
    for (const status of ['pending', 'pending_retry', 'processing']) {
      await db.database.query('update transmission set status = $2 where transmission_id = $1', [
        use.transmission,
        status,
      ]);
      const refused = await call('ann', 'DELETE', `/texts/${id}`);
      expect(refused).toMatchObject({
        status: 423,
        body: { error: { message: expect.stringContaining(`Program ${use.program} (spring news)`) } },
      });
    }
    expect((await call('ann', 'DELETE', `/texts/${id}?force=1`)).status).toBe(403);
    expect((await call('admin', 'DELETE', `/texts/${id}?force=1`)).body).toBe(true);
    expect((await call('ann', 'GET', `/texts/${id}`)).status).toBe(404);

    const { body: free } = await call('ann', 'POST', '/texts', { name: 'free', data: 'x' });
    await makeUse(ann, 'text', free, 'completed');
    await makeUse(ann, 'template', free, 'pending');
    expect((await call('ann', 'DELETE', `/messages/texts/${free}`)).body).toBe(true);
    expect((await call('ann', 'DELETE', `/messages/texts/${free}`)).status).toBe(404);
  });

  test('the engine gets compiled texts, measured for each recipient', async () => {
    const fixed = await texts.create(ann, { name: 'f', data: 'я'.repeat(71), class: 8 });
    const dynamic = await texts.create(ann, { name: 'd', data: 'Hi [contact:first_name]' });
    const loaded = await texts.sendable([fixed, dynamic, dynamic, 999_999]);
    expect([...loaded.keys()].sort()).toEqual([fixed, dynamic].sort());
    const [a, b] = [loaded.get(fixed), loaded.get(dynamic)];
    if (!a || !b) throw new Error('not loaded');
    expect(renderText(a, {}, 'keep')).toMatchObject({ encoding: 'ucs2', messageClass: 'flash', segments: 2 });
    expect(renderText(b, { contact: { first_name: 'Ann' } }, 'keep')).toEqual({
      text: 'Hi Ann',
      encoding: 'gsm7',
      messageClass: 'normal',
      segments: 1,
    });
    expect(() => renderText(b, {}, 'fail')).toThrow('[contact:first_name]');
  });
});

const NEWS = {
  name: 'news',
  subject: 'Hello [contact:first_name]',
  body: '<h1>Hi [contact:first_name|you]</h1><p>5 &lt; 6</p>',
};

async function makeTemplate(user = 'ann'): Promise<number> {
  return (await call(user, 'POST', '/messages/templates', NEWS)).body;
}

function attach(
  id: number,
  method: 'PUT' | 'POST',
  content: string | Uint8Array,
  headers: Record<string, string> = {},
) {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return call('ann', method, `/templates/${id}/media`, bytes, { 'content-type': 'text/plain', ...headers });
}

const keysOf = async (id: number) =>
  (
    await db.database.query<{ storage_key: string }>(
      'select storage_key from template_attachment where template_id = $1 order by position',
      [id],
    )
  ).map((row) => row.storage_key);

describe('templates', () => {
  test('create, read, list, change', async () => {
    const id = await makeTemplate();
    const length = Buffer.byteLength(NEWS.subject + NEWS.body);
    expect((await call('ann', 'GET', `/messages/templates/${id}`)).body).toEqual({
      template_id: id,
      message_id: id,
      ...NEWS,
      body_alt: null,
      type: 'html',
      description: '',
      attachment: [],
      length,
      user_id: ann.userId,
      date_created: expect.any(Number),
      last_updated: null,
    });
    const [listed] = (await call('ann', 'GET', `/templates?template_id=${id}`)).body as object[];
    expect(listed).toMatchObject({ template_id: id, subject: NEWS.subject, length });
    expect(listed).not.toHaveProperty('body');
    const changed = await call('ann', 'PUT', `/templates/${id}`, { body_alt: 'Grüße', attachment: ['/etc/passwd'] });
    expect(changed.body).toMatchObject({ body_alt: 'Grüße', attachment: [], length: length + 7 });
    expect((await call('ann', 'PUT', `/templates/${id}`, { body_alt: '' })).body).toMatchObject({
      body_alt: null,
      length,
    });
    expect((await call('ann', 'GET', '/templates?subject=hello&body=5%20%26lt&name=NEWS')).body).not.toEqual([]);
  });

  test.each([
    [{ subject: 's', body: 'b' }, 'name'],
    [{ name: 'n', body: 'b' }, 'subject'],
    [{ name: 'n', subject: 's' }, 'body'],
    [{ name: 'n', subject: 's'.repeat(256), body: 'b' }, 'subject'],
    [{ name: 'n', subject: 's', body: 'b', type: 'toolongtype' }, 'type'],
  ])('412 naming the field: %#', async (body, field) => {
    expect(await call('ann', 'POST', '/templates', body)).toMatchObject({
      status: 412,
      body: { error: { details: [{ field }] } },
    });
  });

  test('attachments: raw upload, append, replace, download, delete', async () => {
    const id = await makeTemplate();
    const before = (await templates.get(ann, id)).length;
    const name = { 'content-disposition': `attachment; filename="../../evil.txt"; filename*=UTF-8''pr%C3%A9is.txt` };
    expect((await attach(id, 'POST', 'one', name)).body).toBe(id);
    expect((await call('ann', 'GET', `/templates/${id}`)).body).toMatchObject({
      attachment: [{ name: 'préis.txt', media_type: 'text/plain', size: 3 }],
      length: before + 3,
      last_updated: expect.any(Number),
    });
    for (const at of [`/messages/templates/${id}/download`, `/templates/${id}/media`, `/templates/${id}/media/1`]) {
      const file = await call('ann', 'GET', at);
      expect(file.bytes.toString()).toBe('one');
      expect(file.headers.get('content-type')).toBe('text/plain');
      expect(file.headers.get('content-disposition')).toContain("filename*=UTF-8''pr%C3%A9is.txt");
      const again = await call('ann', 'GET', at, undefined, { 'if-none-match': file.headers.get('etag') ?? '' });
      expect([again.status, again.bytes.length]).toEqual([304, 0]);
      const part = await call('ann', 'GET', at, undefined, { range: 'bytes=1-1' });
      expect([part.status, part.bytes.toString()]).toEqual([206, 'n']);
    }
    await attach(id, 'POST', 'two', { 'content-type': 'Application/X-Thing; charset=x' });
    await attach(id, 'POST', 'three');
    const keys = await keysOf(id);
    expect((await call('ann', 'DELETE', `/templates/${id}/media/2`)).body).toBe(true);
    await storage.settle();
    expect(keys.map((key) => existsSync(storage.localPath(key)))).toEqual([true, false, true]);
    expect((await call('ann', 'GET', `/templates/${id}/media/2`)).bytes.toString()).toBe('three');
    expect((await call('ann', 'DELETE', `/templates/${id}/media/3`)).status).toBe(404);
    await attach(id, 'PUT', 'new');
    await storage.settle();
    expect(keys.map((key) => existsSync(storage.localPath(key)))).toEqual([false, false, false]);
    expect((await call('ann', 'GET', `/templates/${id}`)).body).toMatchObject({
      attachment: [{ name: 'attachment_1', size: 3 }],
      length: before + 3,
    });
    expect((await call('ann', 'DELETE', `/templates/${id}/media`)).body).toBe(true);
    expect((await call('ann', 'GET', `/templates/${id}/media`)).status).toBe(404);
    expect((await templates.get(ann, id)).length).toBe(before);
  });

  test('several files in one multipart request, downloaded as a zip that other software reads', async () => {
    const id = await makeTemplate();
    const form = new FormData();
    form.append('a', new Blob(['first'], { type: 'text/plain' }), 'same.txt');
    form.append('b', new Blob([Buffer.alloc(100_000, 7)], { type: 'application/pdf' }), 'same.txt');
    form.append('c', new Blob(['{}'], { type: 'application/json' }), 'a:b?.json');
    expect((await call('ann', 'POST', `/messages/templates/${id}/media`, form)).status).toBe(200);
    await attach(id, 'POST', 'dots', { 'content-disposition': 'attachment; filename=".."' });
    const zip = await call('ann', 'GET', `/messages/templates/${id}/download`);
    expect(zip.headers.get('content-disposition')).toContain(`filename="template_${id}.zip"`);
    expect(zip.headers.get('content-type')).toBe('application/zip');
    const entries = await unzip(zip.bytes);
    expect([...entries.keys()]).toEqual(['same.txt', 'same (2).txt', 'a_b_.json', '_']);
    expect(entries.get('same.txt')?.toString()).toBe('first');
    expect(entries.get('same (2).txt')?.equals(Buffer.alloc(100_000, 7))).toBe(true);
  });

  test('limits: files, bytes each, bytes together; nothing of a refused upload stays', async () => {
    const id = await makeTemplate();
    const mib = Buffer.alloc(1024 * 1024, 1);
    expect((await attach(id, 'POST', Buffer.concat([...Array(10).fill(mib), Buffer.of(1)]))).status).toBe(413);
    const ten = Buffer.concat(Array(10).fill(mib));
    expect((await attach(id, 'POST', ten)).status).toBe(200);
    expect((await attach(id, 'POST', ten)).status).toBe(200);
    expect(await attach(id, 'POST', 'x')).toMatchObject({ status: 413, body: { error: { name: 'UPLOAD_TOO_LARGE' } } });
    expect((await attach(id, 'PUT', 'x')).status).toBe(200);
    for (let n = 2; n <= 10; n++) expect((await attach(id, 'POST', `file ${n}`)).status).toBe(200);
    expect(await attach(id, 'POST', 'x')).toMatchObject({
      status: 412,
      body: { error: { details: [{ field: 'attachment' }] } },
    });
    expect((await attach(id, 'POST', '')).status).toBe(411);
    const form = new FormData();
    for (let n = 0; n < 11; n++) form.append('f', new Blob(['x']), `f${n}`);
    expect((await call('ann', 'PUT', `/templates/${id}/media`, form)).status).toBe(413);
    expect((await templates.get(ann, id)).attachment.length).toBe(10);
    await storage.settle();
    const keys = await keysOf(id);
    const stored = await db.database.query<{ n: number }>('select count(*) as n from template_attachment');
    expect(await countFiles()).toBe(stored[0]?.n);
    expect(keys.length).toBe(10);
  });

  test("uploads at the same time do not take each other's place", async () => {
    const id = await makeTemplate();
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => attach(id, 'POST', `file ${n}`)));
    expect(answers.map((answer) => answer.status).sort()).toEqual([...Array(10).fill(200), 412, 412]);
    expect((await keysOf(id)).length).toBe(10);
  });

  test('others see nothing of it', async () => {
    const id = await makeTemplate();
    await attach(id, 'POST', 'secret');
    for (const [method, at] of [
      ['GET', ''],
      ['GET', '/media'],
      ['GET', '/media/1'],
      ['GET', '/download'],
      ['DELETE', '/media'],
      ['DELETE', '/media/1'],
      ['DELETE', ''],
    ] as const) {
      expect((await call('bob', method, `/templates/${id}${at}`)).status).toBe(404);
    }
    const upload = await call('bob', 'PUT', `/templates/${id}/media`, Buffer.from('x'), {
      'content-type': 'text/plain',
    });
    expect(upload.status).toBe(404);
    expect((await templates.get(ann, id)).attachment).toEqual([
      { name: 'attachment_1', media_type: 'text/plain', size: 6 },
    ]);
  });

  test('deleting takes the files along, unless a program needs it', async () => {
    const id = await makeTemplate();
    await attach(id, 'POST', 'x');
    const [key] = await keysOf(id);
    const use = await makeUse(ann, 'template', id, 'pending_retry');
    expect(await call('ann', 'DELETE', `/templates/${id}`)).toMatchObject({
      status: 423,
      body: { error: { message: expect.stringContaining(`Program ${use.program} (spring news)`) } },
    });
    expect(existsSync(storage.localPath(key as string))).toBe(true);
    await db.database.query(`update transmission set is_deleted = 1 where transmission_id = $1`, [use.transmission]);
    expect((await call('ann', 'DELETE', `/templates/${id}`)).body).toBe(true);
    await storage.settle();
    expect(existsSync(storage.localPath(key as string))).toBe(false);
  });

  test('a preview escapes values in HTML and derives the plain part', async () => {
    const id = await makeTemplate();
    const contact = await makeContact(ann, { first_name: '<b>Zoë</b>\r\nX: 1' });
    expect((await call('ann', 'POST', `/templates/${id}/preview`, { contact_id: contact })).body).toEqual({
      subject: 'Hello <b>Zoë</b> X: 1',
      body: '<h1>Hi &lt;b&gt;Zoë&lt;/b&gt;\r\nX: 1</h1><p>5 &lt; 6</p>',
      body_alt: 'Hi <b>Zoë</b>\r\nX: 1\n\n5 < 6',
      attachment: [],
    });
    expect((await call('ann', 'POST', `/messages/templates/${id}/preview`)).body).toMatchObject({
      subject: 'Hello [contact:first_name]',
      body_alt: 'Hi you\n\n5 < 6',
    });
  });

  test('the engine gets compiled templates with files it can open again and again', async () => {
    const id = await makeTemplate();
    await attach(id, 'POST', 'content', { 'content-disposition': 'attachment; filename=a.txt' });
    const template = (await templates.sendable([id, 999_999])).get(id);
    if (!template) throw new Error('not loaded');
    const mail = renderTemplate(template, { contact: { first_name: 'A&B' } }, 'empty');
    expect(mail).toMatchObject({
      subject: 'Hello A&B',
      html: '<h1>Hi A&amp;B</h1><p>5 &lt; 6</p>',
      text: 'Hi A&B\n\n5 < 6',
    });
    const [file] = mail.attachments;
    expect(file).toMatchObject({ name: 'a.txt', mediaType: 'text/plain', size: 7 });
    for (let n = 0; n < 2; n++) {
      const chunks: Buffer[] = [];
      for await (const chunk of (await file?.open()) ?? []) chunks.push(chunk as Buffer);
      expect(Buffer.concat(chunks).toString()).toBe('content');
    }
    expect(existsSync((await file?.localPath()) ?? '')).toBe(true);
  });

  test('received mail may be larger than uploads', async () => {
    const id = await makeTemplate();
    const source = path.join(folder, 'mail');
    await writeFile(source, 'x');
    const files = Array.from({ length: 12 }, () => ({
      fileName: undefined,
      mediaType: 'bad\r\ntype',
      path: source,
      size: 1,
    }));
    await templates.attach(ann, id, files, { replace: false, limited: false });
    const { attachment } = await templates.get(ann, id);
    expect(attachment.length).toBe(12);
    expect(attachment[11]).toEqual({ name: 'attachment_12', media_type: 'application/octet-stream', size: 1 });
  });

  test('the sweep leaves what rows refer to', async () => {
    const id = await makeTemplate();
    await attach(id, 'POST', 'x');
    const keys = await keysOf(id);
    const rows = await db.database.query<{ key: string }>(ATTACHMENT_KEYS, [[...keys, 'template/00/unknown']]);
    expect(rows.map((row) => row.key)).toEqual(keys);
  });

  test('a client that goes away in the middle of a zip leaves no file open', async () => {
    const id = await makeTemplate();
    for (let n = 0; n < 2; n++) await attach(id, 'POST', require('node:crypto').randomBytes(8_000_000));
    const open = await openMedia();
    await new Promise<void>((resolve, reject) => {
      const request = http.get(`${base}/templates/${id}/media`, { headers: { 'x-user': 'ann' } }, (response) => {
        response.once('data', () => {
          request.destroy();
          resolve();
        });
        response.on('error', () => undefined);
      });
      request.on('error', reject);
    });
    for (let n = 0; n < 50 && (await openMedia()) > open; n++) await delay(50);
    expect(await openMedia()).toBe(open);
  });
});

describe('messages of plugins', () => {
  test('are checked like those of clients', async () => {
    const text = await messages.createText(ann, { name: 'x', data: 'y' });
    expect(await texts.get(ann, text)).toMatchObject({ data: 'y', segments: 1 });
    const template = await messages.createTemplate(ann, { name: 'x', subject: 's', body: '<p>b</p>' });
    expect(await templates.get(ann, template)).toMatchObject({ length: 9 });
    await expect(messages.createText(ann, { name: 'x' })).rejects.toMatchObject({ status: 412 });
  });

  test('roll back with the transaction they were made in', async () => {
    let id = 0;
    const failing = db.database.transaction(async (tx) => {
      id = await messages.within(tx).createText(ann, { name: 'x', data: 'y' });
      throw new Error('later step failed');
    });
    await expect(failing).rejects.toThrow('later step failed');
    await expect(texts.get(ann, id)).rejects.toMatchObject({ status: 404 });
  });
});

async function countFiles(): Promise<number> {
  const { readdir } = await import('node:fs/promises');
  const all = await readdir(path.join(folder, 'media'), { recursive: true, withFileTypes: true });
  return all.filter((entry) => entry.isFile()).length;
}

/** Files below the media folder that this process holds open. */
async function openMedia(): Promise<number> {
  const { readdir, readlink } = await import('node:fs/promises');
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  );
  return links.filter((link) => link.startsWith(path.join(folder, 'media'))).length;
}

async function unzip(bytes: Buffer): Promise<Map<string, Buffer>> {
  const zip = await promisify<Buffer, yauzl.Options, yauzl.ZipFile>(yauzl.fromBuffer as never)(bytes, {
    lazyEntries: true,
  });
  const entries = new Map<string, Buffer>();
  return new Promise((resolve, reject) => {
    zip.on('error', reject);
    zip.on('end', () => resolve(entries));
    zip.on('entry', (entry: yauzl.Entry) => {
      zip.openReadStream(entry, async (error, stream) => {
        if (error) return reject(error);
        const chunks: Buffer[] = [];
        for await (const chunk of stream) chunks.push(chunk as Buffer);
        entries.set(entry.fileName, Buffer.concat(chunks));
        zip.readEntry();
      });
    });
    zip.readEntry();
  });
}
