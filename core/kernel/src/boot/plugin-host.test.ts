import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type AnyPlugin,
  defineDriver,
  definePlugin,
  defineProgram,
  isIctError,
  type Registry,
  serviceToken,
  z,
} from '@ictcore/contract';
import { createLogger } from './logger';
import { PluginHost, type PluginHostOptions } from './plugin-host';

const lines: string[] = [];
const folders: string[] = [];

function host(options: Partial<PluginHostOptions> = {}): PluginHost {
  return new PluginHost({
    log: createLogger('debug', { write: (line) => lines.push(line) }),
    timeout: 0.3,
    config: {},
    disabled: [],
    searchFolders: [],
    ...options,
  });
}

function plugin(name: string, more: Partial<AnyPlugin> = {}): AnyPlugin {
  return definePlugin({ name, version: '1.2.3', api: '^1', setup: () => undefined, ...more });
}

const program = (type: string) =>
  defineProgram({
    type,
    channel: 'sms',
    direction: 'outbound',
    description: '',
    parameters: z.object({}),
    scheme: () => ({ start: 'a', steps: { a: { use: 'sms_send', with: {} } } }),
  });

/** A package on disk, as npm would have installed it. */
function packageOnDisk(name: string, api: string | undefined, code: string): string {
  const root = mkdtempSync(path.join(tmpdir(), 'ictcore-plugin-'));
  folders.push(root);
  const folder = path.join(root, 'node_modules', name);
  mkdirSync(folder, { recursive: true });
  const manifest = { name, version: '1.0.0', main: 'index.js', ...(api !== undefined && { ictcore: { api } }) };
  writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
  writeFileSync(path.join(folder, 'index.js'), code);
  return root;
}

function stateOf(of: PluginHost, name: string) {
  return of.list().find((state) => state.name === name);
}

beforeEach(() => {
  lines.length = 0;
});

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

describe('a plugin that behaves', () => {
  it('is set up, started after what it requires, offers services, is stopped last first', async () => {
    const told: string[] = [];
    const token = serviceToken<string>('acme/word');
    const kernel = host();
    kernel.add(
      plugin('second', {
        requires: ['first'],
        start: async (context) => void told.push(`start second ${context.use(token)}`),
        stop: async () => void told.push('stop second'),
      }),
    );
    kernel.add(
      plugin('first', {
        setup: (registry) => registry.service(token, () => 'hello'),
        start: async () => void told.push('start first'),
        stop: async () => void told.push('stop first'),
      }),
    );
    await kernel.start();
    await kernel.stop();
    expect(told).toEqual(['start first', 'start second hello', 'stop second', 'stop first']);
    expect(stateOf(kernel, 'second')).toMatchObject({ status: 'active', code: null, version: '1.2.3', api: '^1' });
  });

  it('gets its configuration validated', async () => {
    const kernel = host({ config: { good: { port: '7' }, bad: { port: 'x' } } });
    const config = z.object({ port: z.coerce.number() });
    let seen: unknown;
    kernel.add(
      plugin('good', {
        config,
        setup(_registry, context) {
          seen = context.config;
        },
      }),
    );
    kernel.add(plugin('bad', { config }));
    expect(seen).toEqual({ port: 7 });
    expect(stateOf(kernel, 'bad')).toMatchObject({ status: 'declined', code: 'PLUGIN_CONFIG_INVALID' });
    expect(stateOf(kernel, 'bad')?.message).toContain('port');
  });
});

describe('a plugin that misbehaves is declined, shown and logged, and the others go on', () => {
  const cases: [string, string, AnyPlugin][] = [
    ['was written for another contract', 'PLUGIN_INCOMPATIBLE', plugin('p', { api: '^2' })],
    ['names no valid range', 'PLUGIN_INCOMPATIBLE', plugin('p', { api: 'new' })],
    [
      'throws in setup',
      'PLUGIN_SETUP_FAILED',
      plugin('p', {
        setup: () => {
          throw new Error('boom');
        },
      }),
    ],
    ['has an asynchronous setup', 'PLUGIN_SETUP_ASYNC', plugin('p', { setup: (async () => undefined) as never })],
    ['throws in start', 'PLUGIN_START_FAILED', plugin('p', { start: () => Promise.reject(new Error('boom')) })],
    [
      'throws in start before its first await',
      'PLUGIN_START_FAILED',
      plugin('p', {
        start: () => {
          throw new Error('boom');
        },
      }),
    ],
    ['hangs in start', 'PLUGIN_START_TIMEOUT', plugin('p', { start: () => new Promise(() => undefined) })],
    ['requires what is not there', 'PLUGIN_REQUIRES_MISSING', plugin('p', { requires: ['nobody'] })],
    ['takes a program type already taken', 'NAME_TAKEN', plugin('p', { setup: (r) => r.program(program('taken')) })],
    ['takes its own name twice', 'NAME_TAKEN', plugin('p', { setup: (r) => twice(r) })],
    [
      'registers an invalid name',
      'CONTRIBUTION_INVALID',
      plugin('p', { setup: (r) => r.program(program('Bad Name')) }),
    ],
    [
      'gives a job without a time',
      'CONTRIBUTION_INVALID',
      plugin('p', { setup: (r) => r.job({ name: 'j', run: async () => undefined }) }),
    ],
    ['takes the name of a plugin already loaded', 'PLUGIN_DUPLICATE', plugin('other')],
  ];

  function twice(registry: Registry): void {
    const driver = defineDriver({
      type: 'mine',
      channels: ['sms'],
      description: '',
      settings: z.object({}),
      open: () => Promise.reject(new Error('not opened here')),
    });
    registry.driver(driver);
    registry.driver(driver);
  }

  it.each(cases)('%s → %s', async (_what, code, bad) => {
    const kernel = host();
    kernel.add(plugin('other', { setup: (registry) => registry.program(program('taken')) }));
    kernel.add(bad);
    await kernel.start();
    const declined = kernel.list().find((state) => state.status === 'declined');
    expect(declined).toMatchObject({ name: bad.name, code });
    expect(declined?.message).toBeTruthy();
    expect(lines.some((line) => line.includes(code) && line.includes('plugin declined'))).toBe(true);
    expect(kernel.list().find((state) => state.name === 'other' && state.status === 'active')).toBeDefined();
    // Nothing of a declined plugin is in force.
    expect(kernel.contributions().map(({ name }) => name)).toEqual(['other']);
    await kernel.stop();
  });

  it('registers late → REGISTRY_SEALED, thrown at it and shown', async () => {
    const kernel = host();
    let thrown: unknown;
    let kept: Registry | undefined;
    kernel.add(
      plugin('late', {
        setup(registry) {
          kept = registry;
        },
        start: async () => {
          try {
            kept?.permission('late_permission', '');
          } catch (error) {
            thrown = error;
          }
        },
      }),
    );
    await kernel.start();
    expect(isIctError(thrown) && thrown.code).toBe('REGISTRY_SEALED');
    expect(stateOf(kernel, 'late')?.problems[0]).toContain('REGISTRY_SEALED');
    expect(kernel.contributions()[0]?.contributions.permissions).toEqual([]);
  });

  it('fails in its migrations → declined, the others stay', async () => {
    const kernel = host();
    kernel.add(plugin('bad', { setup: (registry) => registry.migrations('/nowhere') }));
    kernel.add(plugin('good'));
    await kernel.prepare(async (_name, { migrations }) => {
      if (migrations.length > 0) throw new Error('no such folder');
    });
    await kernel.start();
    expect(stateOf(kernel, 'bad')).toMatchObject({ status: 'declined', code: 'PLUGIN_PREPARE_FAILED' });
    expect(stateOf(kernel, 'good')).toMatchObject({ status: 'active' });
  });

  it('is essential → the server does not start', () => {
    expect(() => host().add(plugin('needed', { essential: true, api: '^9' }))).toThrow(/cannot start without needed/);
  });

  it('hangs while it stops → the others still stop', async () => {
    const stopped: string[] = [];
    const kernel = host();
    kernel.add(plugin('good', { stop: async () => void stopped.push('good') }));
    kernel.add(plugin('stuck', { stop: () => new Promise(() => undefined) }));
    await kernel.start();
    await kernel.stop();
    expect(stopped).toEqual(['good']);
  });
});

describe('packages', () => {
  const code = `exports.plugin = { name: 'acme-hello', version: '1.0.0', api: '^1', setup() {} };`;

  it('are found in node_modules and loaded', async () => {
    const kernel = host({ searchFolders: [packageOnDisk('acme-hello', '^1', code)] });
    await kernel.addPackage('acme-hello');
    await kernel.start();
    expect(stateOf(kernel, 'acme-hello')).toMatchObject({ status: 'active' });
  });

  it.each([
    ['is not installed', 'PLUGIN_NOT_FOUND', undefined],
    ['is no plugin by its package.json', 'PLUGIN_INVALID', packageOnDisk('acme-x', undefined, code)],
    ['exports no plugin', 'PLUGIN_INVALID', packageOnDisk('acme-x', '^1', 'exports.plugin = 42;')],
    ['throws while it loads', 'PLUGIN_LOAD_FAILED', packageOnDisk('acme-x', '^1', `throw new Error('at load');`)],
  ])('that %s → %s', async (_what, code_, folder) => {
    const kernel = host({ searchFolders: folder ? [folder] : [] });
    await kernel.addPackage('acme-x');
    expect(stateOf(kernel, 'acme-x')).toMatchObject({ status: 'declined', code: code_ });
  });

  it('of another contract are refused before any of their code runs', async () => {
    const folder = packageOnDisk('acme-old', '^0.1', 'globalThis.__acmeOldRan = true;');
    const kernel = host({ searchFolders: [folder] });
    await kernel.addPackage('acme-old');
    expect(stateOf(kernel, 'acme-old')).toMatchObject({ status: 'declined', code: 'PLUGIN_INCOMPATIBLE' });
    expect((globalThis as Record<string, unknown>).__acmeOldRan).toBeUndefined();
  });

  it('can be switched off', async () => {
    const kernel = host({ disabled: ['acme-hello'] });
    await kernel.addPackage('acme-hello');
    expect(stateOf(kernel, 'acme-hello')).toMatchObject({ status: 'disabled' });
  });
});
