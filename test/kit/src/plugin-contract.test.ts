import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AnyPlugin, type AnyRoute, definePlugin, IctError, type Registry, z } from '@ictcore/contract';
import { runChecks } from './check';
import { type PluginContractOptions, pluginChecks, pluginContract } from './plugin-contract';

const careful: AnyPlugin = definePlugin({
  name: '@acme/ictcore-careful',
  version: '1.2.3',
  api: '^1',
  config: z.object({ greeting: z.string().default('hello') }),
  setup(registry: Registry) {
    registry.permission('careful_greet', 'Greet');
    registry.job({ name: 'tick', everyMs: 5000, run: async () => undefined });
    registry.on('transmission.*', async () => undefined);
  },
  start: async () => undefined,
  stop: async () => undefined,
});

const folder = mkdtempSync(join(tmpdir(), 'ictcore-kit-'));
const peerDependencies = { '@ictcore/contract': '^1' };
const json = { name: careful.name, version: '1.2.3', ictcore: { api: '^1' }, peerDependencies };
writeFileSync(join(folder, 'package.json'), JSON.stringify(json));
const leftovers: NodeJS.Timeout[] = [];

afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  for (const timer of leftovers.splice(0)) clearInterval(timer);
});

pluginContract(careful, { start: true, packageFolder: folder });

const route: AnyRoute = { method: 'get', path: '/x', permission: 'x', summary: 'x', handler: () => 0 };

interface Careless {
  readonly breaks: string;
  readonly how: string;
  readonly plugin: Partial<AnyPlugin>;
  readonly says: RegExp;
}

const IDENTITY = 'has a package name, a version and a range of this contract';
const PACKAGE = 'its package.json tells the same, asks for the contract as a peer and for nothing else of ICTCore';
const IO = 'setup does no I/O and starts no timer';
const FORM = 'what it declares is well formed';
const START = 'start and stop resolve, stop more than once, and nothing is left open';
let count = 0;

const CARELESS: readonly Careless[] = [
  { breaks: IDENTITY, how: 'no package name', plugin: { name: 'Acme Plugin' }, says: /npm package name/ },
  { breaks: IDENTITY, how: 'no version', plugin: { version: 'latest' }, says: /semantic version/ },
  { breaks: IDENTITY, how: 'for another contract', plugin: { api: '^2' }, says: /no range of contract 1/ },
  { breaks: PACKAGE, how: 'another version', plugin: { version: '1.2.4' }, says: /name and version differ/ },
  {
    breaks: 'its configuration schema takes the configuration, and its own result again',
    how: 'a schema that changes what it has given',
    plugin: {
      config: z.object({
        n: z
          .number()
          .default(1)
          .transform((n) => n + 1),
      }),
    },
    says: /parsing twice/,
  },
  {
    breaks: 'setup is synchronous',
    how: 'an async setup',
    plugin: { setup: async () => undefined },
    says: /returns something/,
  },
  { breaks: IO, how: 'reads a file', plugin: { setup: () => void readFileSync(__filename) }, says: /fs\.readFileSync/ },
  {
    breaks: IO,
    how: 'connects',
    plugin: {
      setup: () =>
        void createConnection(1, '127.0.0.1')
          .on('error', () => undefined)
          .destroy(),
    },
    says: /net\.Socket\.connect/,
  },
  {
    breaks: IO,
    how: 'starts a timer',
    plugin: { setup: () => void leftovers.push(setInterval(() => 0, 1e6)) },
    says: /setInterval/,
  },
  {
    breaks: 'setup is repeatable and declares the same each time',
    how: 'declares something else each time',
    plugin: { setup: (registry) => registry.permission(`p${++count}`, 'x') },
    says: /the second setup differs/,
  },
  {
    breaks: 'setup is repeatable and declares the same each time',
    how: 'declares a name twice',
    plugin: { setup: (registry) => registry.routes([route, route]) },
    says: /declared twice/,
  },
  {
    breaks: 'declares nothing after setup',
    how: 'declares later',
    plugin: {
      setup: (registry) =>
        void Promise.resolve()
          .then(() => registry.permission('late', 'x'))
          .catch(() => 0),
    },
    says: /declared late: permission late/,
  },
  {
    breaks: FORM,
    how: 'a permission with a blank',
    plugin: { setup: (registry) => registry.permission('a b', 'x') },
    says: /permission name/,
  },
  {
    breaks: FORM,
    how: 'a job without time or work',
    plugin: { setup: (registry) => registry.job({ name: 'x' }) },
    says: /cron or everyMs/,
  },
  {
    breaks: FORM,
    how: 'a relative folder',
    plugin: { setup: (registry) => registry.migrations('./sql') },
    says: /not absolute/,
  },
  {
    breaks: FORM,
    how: 'an event without a noun',
    plugin: { setup: (registry) => registry.on('done', async () => undefined) },
    says: /event name/,
  },
  {
    breaks: START,
    how: 'leaves a timer',
    plugin: { start: async () => void leftovers.push(setInterval(() => 0, 1e6)) },
    says: /left open: Timeout/,
  },
  {
    breaks: START,
    how: 'stops only once',
    plugin: { stop: async () => (++count % 2 ? undefined : Promise.reject(new IctError('again', { code: 'X' }))) },
    says: /again/,
  },
];

async function results(plugin: AnyPlugin, more: PluginContractOptions = {}) {
  return runChecks(pluginChecks(plugin, { start: true, packageFolder: folder, ...more }));
}

test('a careful plugin keeps every promise', async () => {
  const bad = (await results(careful)).filter(({ state }) => state !== 'passed');
  expect(bad).toEqual([]);
});

test.each(CARELESS)('a careless plugin is found out: $how', async ({ breaks, plugin, says }) => {
  count = 0;
  const found = (await results({ ...careful, ...plugin })).find(({ name }) => name === breaks);
  expect(found).toMatchObject({ state: 'failed', detail: expect.stringMatching(says) });
});

test('every promise is broken by one of them', () => {
  const promises = pluginChecks(careful).map(({ name }) => name);
  expect(promises.filter((name) => !CARELESS.some(({ breaks }) => breaks === name))).toEqual([]);
});

test('what cannot be checked is skipped with its reason, never passed', async () => {
  const plain = await runChecks(pluginChecks(careful));
  expect(plain.filter(({ state }) => state === 'skipped').map(({ detail }) => detail)).toEqual([
    'no `packageFolder` is given',
    'the option `start` is not set',
  ]);
});
