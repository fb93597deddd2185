import { createHmac } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ApiClient } from './support/api-client';
import { eventually, RunningServer } from './support/running-server';
import { type CheckResult, Workshop } from './support/strangers-workshop';

const BIRTHDAY = 'acme-ictcore-plugin-birthday';
const FILEDROP = 'acme-ictcore-provider-filedrop';
const ESM = '@acme/ictcore-plugin-esm';
const SIGNING_KEY = 'the key that signs what is dropped';
/** What a published contract brings along, and what it takes to compile against it. */
const RUNTIME = ['@ictcore/contract', 'zod'];
const DEVELOPMENT = [...RUNTIME, '@ictcore/test-kit', '@types/node', 'undici-types'];

interface PluginState {
  name: string;
  version: string;
  status: string;
  code: string | null;
  message: string | null;
  programs: string[];
  drivers: string[];
  problems: string[];
}

describe("a stranger's plugin and provider, written against the packed contract alone", () => {
  const workshop = new Workshop();
  const dataDir = path.join(workshop.folder, 'data');
  const dropFolder = path.join(workshop.folder, 'drop');
  let birthday: string;
  let filedrop: string;
  let server: RunningServer;
  let admin: ApiClient;

  beforeAll(async () => {
    for (const [name, source] of [
      ['@ictcore/contract', 'core/contract'],
      ['@ictcore/test-kit', 'test/kit'],
      ...['zod', '@types/node', 'undici-types'].map((each) => [each, `node_modules/${each}`]),
    ] as const) {
      await workshop.pack(name as string, source as string);
    }
    birthday = await workshop.checkOut('plugin-birthday', DEVELOPMENT);
    filedrop = await workshop.checkOut('provider-filedrop', DEVELOPMENT);
    await workshop.build(birthday);
    await workshop.build(filedrop);
  }, 120_000);
  afterAll(async () => {
    await server?.dispose();
    workshop.dispose();
  });

  const passed = (results: readonly CheckResult[]) => results.filter(({ state }) => state === 'passed').length;
  const notPassed = (results: readonly CheckResult[]) =>
    results.filter(({ state }) => state !== 'passed').map(({ state, detail }) => `${state}: ${detail}`);

  test('the program plugin has compiled and keeps the contract', async () => {
    const results = await workshop.ownChecks(birthday, 'dist/birthday.checks.js');
    expect(notPassed(results)).toEqual([]);
    expect(passed(results)).toBeGreaterThanOrEqual(15);
  }, 120_000);

  test('the provider plugin has compiled and keeps the contract', async () => {
    const results = await workshop.ownChecks(filedrop, 'dist/filedrop.checks.js');
    // A folder always answers: there is no peer that could stall.
    expect(notPassed(results)).toEqual(Array.from({ length: 3 }, () => 'skipped: no `stalling` is given'));
    expect(passed(results)).toBeGreaterThanOrEqual(20);
  }, 120_000);

  test('the compiler would see a plugin that does not fit', async () => {
    const file = path.join(filedrop, 'src', 'wrong.ts');
    writeFileSync(file, "import { delivered } from '@ictcore/contract';\nexport const wrong = delivered(12);\n");
    await expect(workshop.build(filedrop)).rejects.toThrow(/wrong\.ts.*error TS2345/s);
    writeFileSync(file, 'export {};\n');
    await workshop.build(filedrop);
  }, 60_000);

  describe('in a running server', () => {
    let maria: ApiClient;
    let mariaId: number;
    let accountId: number;
    let contactId: number;
    let providerId: number;

    beforeAll(async () => {
      await workshop.pack(BIRTHDAY, birthday);
      await workshop.pack(FILEDROP, filedrop);
      await workshop.pack(ESM, 'test/e2e/fixtures/strangers-plugin/plugin-esm');
      await workshop.install(path.join(dataDir, 'plugins'), [BIRTHDAY, FILEDROP, ESM, ...RUNTIME]);
      mkdirSync(dropFolder);
      const config = path.join(workshop.folder, 'ictcore.json');
      writeFileSync(config, JSON.stringify({ plugin_config: { [BIRTHDAY]: { salutation: 'Alles Gute' } } }));
      server = await RunningServer.start({
        dataDir,
        env: { ICTCORE_PLUGINS: [BIRTHDAY, FILEDROP, ESM].join(','), ICTCORE_CONFIG: config },
      });
      admin = server.admin();
      maria = await server.user('maria');
      mariaId = (await maria.get<{ user_id: number }>('/users/me')).user_id;
      accountId = (await maria.get<{ account_id: number }>('/accounts/-1')).account_id;
      await maria.put(`/accounts/${accountId}`, { first_name: 'Maria' });
      contactId = await maria.post('/contacts', { first_name: 'Zoë', phone: '+49 30 1234567' });
    }, 120_000);

    test('nothing but what is published is installed', () => {
      const modules = path.join(dataDir, 'plugins', 'node_modules');
      const installed = readdirSync(modules).filter((name) => !name.startsWith('.'));
      expect(installed.sort()).toEqual(['@acme', '@ictcore', BIRTHDAY, FILEDROP, 'zod']);
      expect(readdirSync(path.join(modules, '@ictcore'))).toEqual(['contract']);
      expect(existsSync(path.join(modules, BIRTHDAY, 'src'))).toBe(false);
    });

    test('GET /system/plugins shows them active, with what they bring', async () => {
      const plugins = await admin.get<PluginState[]>('/system/plugins');
      const fine = { status: 'active', code: null, message: null, problems: [] };
      expect(plugins).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ name: BIRTHDAY, version: '1.2.3', programs: ['birthday'], drivers: [], ...fine }),
          expect.objectContaining({ name: FILEDROP, version: '0.4.0', programs: [], drivers: ['filedrop'], ...fine }),
          expect.objectContaining({ name: ESM, version: '3.0.0', ...fine }),
        ]),
      );
    });

    test('GET /openapi.json documents the program, the routes and their schemas', async () => {
      const { paths, components } = await admin.get<{
        paths: Record<string, Record<string, { summary?: string }>>;
        components: { schemas: Record<string, unknown> };
      }>('/openapi.json');
      expect(paths['/programs/birthday']?.post).toBeDefined();
      expect(paths['/birthdays']?.get).toMatchObject({ summary: 'Wishes sent by you' });
      expect(paths['/birthdays']?.post).toBeDefined();
      expect(paths['/acme/esm/{word}']?.get).toBeDefined();
      expect(components.schemas).toHaveProperty('BirthdayWish');
    });

    test('the provider is made and tested over HTTP; its schema decides, its secret stays inside', async () => {
      const body = { name: 'drop', type: 'filedrop', settings: { folder: dropFolder, signing_key: SIGNING_KEY } };
      expect(
        await admin.refusal('POST', '/providers', { ...body, settings: { ...body.settings, folder: 'here' } }),
      ).toEqual({
        status: 412,
        message: 'settings.folder: must be an absolute path',
        fields: ['settings.folder'],
      });
      providerId = await admin.post('/providers', body);
      const read = await admin.get<object>(`/providers/${providerId}`);
      expect(read).toMatchObject({ service_flag: 4, settings: { folder: dropFolder, has_signing_key: 1 } });
      expect(JSON.stringify(read)).not.toContain(SIGNING_KEY);
      expect(await admin.post(`/providers/${providerId}/test`)).toMatchObject({
        state: 'ok',
        detail: `${dropFolder} can be written to`,
      });
    });

    test('its permissions exist, belong to the administrator, and are asked for', async () => {
      const asked = async (method: string) => (await maria.request(method, '/birthdays', {})).status;
      const get = async (client: ApiClient) => (await client.request('GET', '/birthdays')).status;
      expect([await get(admin.anonymous()), await get(maria), await asked('POST'), await get(admin)]).toEqual([
        401, 403, 403, 200,
      ]);
      const names = (await admin.get<{ name: string }[]>('/permissions')).map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(['birthday_list', 'birthday_send']));
      await admin.put(`/users/${mariaId}/permissions/birthday_list`);
      expect([await get(maria), await asked('POST')]).toEqual([200, 403]);
      await admin.put(`/users/${mariaId}/permissions/birthday_send`);
      expect(await asked('POST')).toBe(412);
    });

    test('its account setting is checked by its own schema', async () => {
      const at = `/accounts/${accountId}/settings/birthday_salutation`;
      expect((await maria.request('GET', at)).status).toBe(404);
      expect(await maria.refusal('PUT', at, { value: 'x' })).toMatchObject({ status: 412 });
      expect(await maria.refusal('PUT', at, { value: 7 })).toMatchObject({ status: 412 });
      expect(
        await maria.refusal('PUT', `/accounts/${accountId}`, { settings: { birthday_salutation: 'x' } }),
      ).toMatchObject({ status: 412 });
      expect(await maria.put(at, { value: 'Bonne fête' })).toBe(true);
      expect(await maria.get(at)).toBe('Bonne fête');
    });

    test('a message goes out: its program, its provider, its route, its event handler', async () => {
      expect(await maria.refusal('POST', '/programs/birthday', {})).toMatchObject({ status: 412, fields: ['wish'] });
      const programId = await maria.post('/programs/birthday', { wish: 'Feliz cumpleaños' });
      const id = await maria.post('/birthdays', {
        program_id: programId,
        contact_id: contactId,
        account_id: accountId,
      });
      const status = await eventually(
        () => maria.get<string>(`/transmissions/${id}/status`),
        (now) => now === 'completed' || now === 'failed',
      );
      expect(status).toBe('completed');
      const [spool] = await maria.get<Record<string, unknown>[]>(`/transmissions/${id}/detail`);
      const ref = `spool-${spool?.spool_id}`;
      expect(spool).toMatchObject({
        provider_id: providerId,
        call_id: ref,
        response: `dropped as ${ref}.txt`,
        amount: 1,
      });
      const text = 'Feliz cumpleaños, dear Zoë! Yours, Maria';
      const signature = createHmac('sha256', SIGNING_KEY).update(text).digest('hex');
      expect(readFileSync(path.join(dropFolder, `${ref}.txt`), 'utf8')).toBe(
        `To: +49301234567\nSegments: 1\nSignature: ${signature}\n\n${text}`,
      );
      const wishes = await eventually(
        () => maria.get<{ completed: number }[]>('/birthdays'),
        ([wish]) => wish?.completed === 1,
      );
      expect(wishes).toEqual([{ transmission_id: id, salutation: 'Bonne fête', completed: 1 }]);
      expect(await admin.get('/birthdays')).toEqual([]);
    });

    test("ids of other people's rows are refused in its bodies, as everywhere", async () => {
      const foreign = await admin.post('/contacts', { phone: '+15550100' });
      const programId = await maria.post('/programs/birthday', { wish: 'Hi' });
      const body = { program_id: programId, contact_id: foreign, account_id: accountId };
      expect(await maria.refusal('POST', '/birthdays', body)).toMatchObject({ status: 412, fields: ['contact_id'] });
      const someText = await admin.post('/texts', { name: 'a', data: 'b' });
      expect(await maria.refusal('POST', '/programs/birthday', { text_id: someText })).toMatchObject({
        status: 412,
        fields: ['text_id'],
      });
    });

    test('where the account has no setting, its own configuration speaks', async () => {
      await maria.delete(`/accounts/${accountId}/settings/birthday_salutation`);
      const programId = await maria.post('/programs/birthday', { wish: 'Hi' });
      await maria.post('/birthdays', { program_id: programId, contact_id: contactId, account_id: accountId });
      const wishes = await maria.get<{ salutation: string }[]>('/birthdays');
      expect(wishes.map(({ salutation }) => salutation)).toEqual(['Bonne fête', 'Alles Gute']);
    });

    test('its jobs run on the clock: one in the server, one in a worker thread with its data', async () => {
      const seen = await eventually(
        () =>
          server.sql<{ job: string; by: string; times: number }>(
            'select job, by, count(*)::int as times from acme_birthday_tick group by job, by order by job',
          ),
        (rows) => rows.length === 2 && rows.every(({ times }) => times >= 2),
      );
      expect(seen.map(({ job, by }) => ({ job, by }))).toEqual([
        { job: 'calendar', by: 'a worker thread: 366 days' },
        { job: 'look-up', by: 'the server' },
      ]);
    });

    test('its migration is booked under its name', async () => {
      const rows = await server.sql('select name from migration where component = $1', [BIRTHDAY]);
      expect(rows).toEqual([{ name: '0001-birthday.sql' }]);
    });

    test('the ES module answers', async () => {
      expect(await maria.get('/acme/esm/hello')).toEqual({ word: 'hello', user: 'maria', node: process.versions.node });
      expect((await maria.request('GET', '/acme/esm/much-too-long-a-word')).status).toBe(400);
    });

    test('without the plugins the server goes on, with their rows kept and plain words for what cannot be done', async () => {
      await server.terminate();
      const without = await RunningServer.start({ dataDir, databaseUrl: server.databaseUrl as string });
      try {
        const client = without.admin();
        expect(await client.get(`/providers/${providerId}`)).toMatchObject({ type: 'filedrop', active: 1 });
        expect(await client.refusal('POST', `/providers/${providerId}/test`)).toMatchObject({ status: 423 });
        expect((await client.request('GET', '/birthdays')).status).toBe(404);
        const [program] = await client.get<{ program_id: number; type: string }[]>('/programs');
        expect(program?.type).toBe('birthday');
        expect(await without.sql('select count(*)::int as n from acme_birthday_wish')).toEqual([{ n: 2 }]);
      } finally {
        await without.terminate();
      }
    }, 60_000);
  });
});
