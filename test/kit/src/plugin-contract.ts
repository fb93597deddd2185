import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { type AnyPlugin, CONTRACT_VERSION, type Job, type Schema } from '@ictcore/contract';
import { type Check, registerChecks } from './check';
import { FakeServices, fakePluginContext } from './fakes';
import { newResources, activeResources as resourcesNow, watchIo } from './io-guard';
import { must, mustBeJson, mustEqual, pause, refuseProblems, within } from './problems';
import { RecordingRegistry } from './recording-registry';

/** Options of {@link pluginContract}. */
export interface PluginContractOptions {
  /** A configuration that the plugin's schema takes; `{}` by default. */
  readonly config?: unknown;
  /** Fakes for the services that the plugin uses. */
  readonly services?: FakeServices;
  /** The folder of its package.json, whose name, version and `ictcore.api` are then compared. */
  readonly packageFolder?: string;
  /** True to run `start` and `stop` too (they may connect and listen). */
  readonly start?: boolean;
}

const PACKAGE_NAME = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;
const VERSION = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;
const NAME = /^[a-z][a-z0-9_]*$/;
/** Longer than the kernel would wait for one plugin, in milliseconds. */
const START_TIMEOUT_MS = 30_000;

/** Registers the promises of a plugin as jest tests. */
export function pluginContract(plugin: AnyPlugin, options: PluginContractOptions = {}): void {
  registerChecks(`plugin ${plugin.name} keeps the contract`, pluginChecks(plugin, options));
}

/** The promises of a plugin (contract `plugin.ts`). */
export function pluginChecks(plugin: AnyPlugin, options: PluginContractOptions = {}): Check[] {
  const setUp = () => {
    const registry = new RecordingRegistry();
    const context = fakePluginContext(parseConfig(plugin, options), options.services ?? new FakeServices());
    const before = resourcesNow();
    const { result, calls } = watchIo(() => plugin.setup(registry, context) as unknown);
    registry.seal();
    return { registry, context, result, calls, opened: newResources(before) };
  };
  return [
    { name: 'has a package name, a version and a range of this contract', run: async () => checkIdentity(plugin) },
    packageCheck(plugin, options),
    {
      name: 'its configuration schema takes the configuration, and its own result again',
      run: async () => {
        const parsed = parseConfig(plugin, options);
        if (plugin.config)
          mustEqual(parseWith(plugin.config, parsed), parsed, 'parsing twice changes the configuration');
      },
    },
    {
      name: 'setup is synchronous',
      run: async () => {
        const { result } = setUp();
        await Promise.resolve(result).catch(() => undefined);
        must(result === undefined, 'setup returns something: it must be a plain function that only declares');
      },
    },
    {
      name: 'setup does no I/O and starts no timer',
      run: async () => {
        const { calls, opened } = setUp();
        must(calls.length === 0, `setup calls ${[...new Set(calls)].join(', ')}`);
        must(opened.length === 0, `setup leaves ${opened.join(', ')}`);
      },
    },
    {
      name: 'setup is repeatable and declares the same each time',
      run: async () => mustEqual(setUp().registry.summary(), setUp().registry.summary(), 'the second setup differs'),
    },
    {
      name: 'declares nothing after setup',
      run: async () => {
        const { registry } = setUp();
        await pause(50);
        must(registry.late.length === 0, `declared late: ${registry.late.join(', ')}`);
      },
    },
    {
      name: 'what it declares is well formed',
      run: async () => refuseProblems(declarationProblems(setUp().registry)),
    },
    startCheck(plugin, options, setUp),
  ];
}

function startCheck(
  plugin: AnyPlugin,
  options: PluginContractOptions,
  setUp: () => { registry: RecordingRegistry; context: ReturnType<typeof fakePluginContext> },
): Check {
  const name = 'start and stop resolve, stop more than once, and nothing is left open';
  const run = async () => {
    const before = resourcesNow();
    const { registry, context } = setUp();
    if (plugin.start) await within(START_TIMEOUT_MS, 'start', plugin.start(context));
    if (plugin.stop) await within(START_TIMEOUT_MS, 'stop', plugin.stop());
    if (plugin.stop) await within(START_TIMEOUT_MS, 'the second stop', plugin.stop());
    must(registry.late.length === 0, `declared late: ${registry.late.join(', ')}`);
    await mustLeaveNothing(before);
  };
  const idle = plugin.start === undefined && plugin.stop === undefined;
  return { name, run, ...(!idle && !options.start && { skip: 'the option `start` is not set' }) };
}

/** Fails if timers, sockets or the like stay for more than three seconds. */
export async function mustLeaveNothing(before: ReadonlyMap<string, number>): Promise<void> {
  const end = Date.now() + 3000;
  while (newResources(before).length > 0 && Date.now() < end) await pause(25);
  const left = newResources(before);
  must(left.length === 0, `left open: ${left.join(', ')}`);
}

function parseWith(schema: Schema<unknown>, value: unknown): unknown {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new Error(`the configuration is refused: ${parsed.error.message}`);
  return parsed.data;
}

function parseConfig(plugin: AnyPlugin, options: PluginContractOptions): unknown {
  const config = options.config ?? {};
  return plugin.config ? parseWith(plugin.config, config) : config;
}

function checkIdentity(plugin: AnyPlugin): void {
  must(PACKAGE_NAME.test(plugin.name), `${JSON.stringify(plugin.name)} is no npm package name`);
  must(VERSION.test(plugin.version), `${JSON.stringify(plugin.version)} is no semantic version`);
  const major = CONTRACT_VERSION.split('.')[0];
  const range = /^[\^~>=\s]*v?(\d+)(?:[.\s]|$)/.exec(plugin.api);
  must(range?.[1] === major, `api ${JSON.stringify(plugin.api)} is no range of contract ${major}, such as ^${major}`);
}

function packageCheck(plugin: AnyPlugin, { packageFolder }: PluginContractOptions): Check {
  const name = 'its package.json tells the same, asks for the contract as a peer and for nothing else of ICTCore';
  if (packageFolder === undefined) return { name, run: async () => undefined, skip: 'no `packageFolder` is given' };
  const run = async () => {
    const json = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as {
      name?: string;
      version?: string;
      ictcore?: { api?: string };
      dependencies?: Record<string, string>;
      peerDependencies?: Record<string, string>;
    };
    mustEqual([json.name, json.version], [plugin.name, plugin.version], 'name and version differ');
    mustEqual(json.ictcore?.api, plugin.api, '"ictcore": { "api" } differs');
    must(json.peerDependencies?.['@ictcore/contract'] !== undefined, '@ictcore/contract is no peer dependency');
    const engine = ['@ictcore/contract', '@ictcore/kernel', '@ictcore/server', 'ictcore'];
    const wrong = Object.keys(json.dependencies ?? {}).filter((each) => {
      return engine.includes(each) || /^@ictcore\/(plugin|provider)-/.test(each);
    });
    must(wrong.length === 0, `depends on ${wrong.join(', ')}: plugins meet through the contract`);
  };
  return { name, run };
}

function declarationProblems(registry: RecordingRegistry): string[] {
  const problems: string[] = [];
  const want = (condition: boolean, problem: string) => condition || problems.push(problem);
  for (const { type } of registry.programs) want(/^[a-z0-9]+$/.test(type), `program type ${JSON.stringify(type)}`);
  for (const { type } of registry.drivers) want(/^[a-z][a-z0-9-]*$/.test(type), `driver type ${JSON.stringify(type)}`);
  for (const { name, description } of registry.permissions) {
    want(NAME.test(name), `permission name ${JSON.stringify(name)}`);
    want(description.trim() !== '', `permission ${name} has no description`);
  }
  for (const { key, description } of registry.accountSettings) {
    want(NAME.test(key), `account setting ${JSON.stringify(key)}`);
    want(description.trim() !== '', `account setting ${key} has no description`);
  }
  for (const route of registry.routeList) {
    const permissions = [route.permission].flat();
    want(/^\/[^\s?#]*$/.test(route.path), `route path ${JSON.stringify(route.path)}`);
    want(permissions.length > 0 && permissions.every((each) => each !== ''), `route ${route.path} needs a permission`);
    want(route.summary.trim() !== '', `route ${route.method} ${route.path} has no summary`);
  }
  for (const folder of registry.migrationFolders) problems.push(...migrationProblems(folder));
  for (const job of registry.jobs) problems.push(...jobProblems(job));
  for (const { event } of registry.handlers) want(/^[a-z_]+\.(?:[a-z_]+|\*)$/.test(event), `event name ${event}`);
  for (const { token } of registry.services)
    want(/.\/./.test(token.name), `service ${token.name} is not package/service`);
  return problems;
}

function migrationProblems(folder: string): string[] {
  if (!isAbsolute(folder)) return [`migrations folder ${folder} is not absolute`];
  if (!existsSync(folder)) return [`migrations folder ${folder} does not exist`];
  const files = readdirSync(folder).filter((name) => !/^\d{4}-[a-z0-9-]+\.sql$/.test(name));
  return files.map((name) => `migration ${name} is not named like 0001-what.sql`);
}

function jobProblems(job: Job): string[] {
  const problems: string[] = [];
  const label = `job ${job.name}`;
  if ((job.cron === undefined) === (job.everyMs === undefined))
    problems.push(`${label} needs cron or everyMs, not both`);
  if ((job.run === undefined) === (job.file === undefined)) problems.push(`${label} needs run or file, not both`);
  if (job.everyMs !== undefined && !(job.everyMs >= 1000)) problems.push(`${label} runs more than once a second`);
  if (job.cron !== undefined && job.cron.trim().split(/\s+/).length !== 5)
    problems.push(`${label}: cron has five fields`);
  if (job.file !== undefined && !(isAbsolute(job.file) && existsSync(job.file)))
    problems.push(`${label}: no ${job.file}`);
  if (job.data !== undefined) mustBeJson(job.data, `the data of ${label}`);
  return problems;
}
