import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { type AnyPlugin, CONTRACT_VERSION, IctError } from '@ictcore/contract';
import semver from 'semver';

/** A package on disk that says it is a plugin. */
export interface PluginPackage {
  name: string;
  folder: string;
  main: string;
}

/**
 * Finds a plugin by package name (looked for in `node_modules` of each search folder) or by path, and refuses it before
 * any of its code runs if its `ictcore.api` range does not match this contract.
 *
 * @throws `PLUGIN_NOT_FOUND`, `PLUGIN_INVALID`, `PLUGIN_INCOMPATIBLE`
 */
export function findPlugin(nameOrPath: string, searchFolders: readonly string[]): PluginPackage {
  const folder = /^([./]|[A-Za-z]:\\)/.test(nameOrPath)
    ? searchFolders
        .map((base) => path.resolve(base, nameOrPath))
        .find((at) => existsSync(path.join(at, 'package.json')))
    : findInNodeModules(nameOrPath, searchFolders);
  if (!folder) {
    throw new IctError(`Plugin ${nameOrPath} is not installed; looked below ${searchFolders.join(', ')}`, {
      code: 'PLUGIN_NOT_FOUND',
    });
  }
  const manifest = readManifest(folder);
  const api = manifest.ictcore?.api;
  if (typeof api !== 'string') {
    throw new IctError(`${manifest.name} is no ICTCore plugin: its package.json lacks "ictcore": { "api": "^1" }`, {
      code: 'PLUGIN_INVALID',
    });
  }
  requireCompatible(manifest.name, api);
  return { name: manifest.name, folder, main: entryOf(folder, manifest) };
}

/** @throws `PLUGIN_INCOMPATIBLE` unless this contract's version is within the range */
export function requireCompatible(name: string, range: string): void {
  if (semver.validRange(range) !== null && semver.satisfies(CONTRACT_VERSION, range)) return;
  throw new IctError(
    `${name} was written for contract ${range}, this server has ${CONTRACT_VERSION}; install a version of it that fits`,
    { code: 'PLUGIN_INCOMPATIBLE' },
  );
}

/** Loads the code: CommonJS or ES module, `plugin` or default export. */
export async function importPlugin(found: PluginPackage): Promise<AnyPlugin> {
  const loaded = (await import(pathToFileURL(found.main).href)) as Record<string, unknown>;
  const inner = (loaded.default ?? {}) as Record<string, unknown>;
  const plugin = (loaded.plugin ?? inner.plugin ?? inner.default ?? loaded.default) as AnyPlugin | undefined;
  if (typeof plugin?.setup !== 'function' || typeof plugin.name !== 'string') {
    throw new IctError(`${found.name} exports no plugin; export const plugin = definePlugin({ ... })`, {
      code: 'PLUGIN_INVALID',
    });
  }
  return plugin;
}

interface Manifest {
  name: string;
  ictcore?: { api?: unknown };
  exports?: unknown;
}

/** Conditions of `exports` that hold for a package loaded by `import()`; then those of one that has only `require`. */
const CONDITIONS: readonly ReadonlySet<string>[] = [
  new Set(['import', 'module-sync', 'node', 'default']),
  new Set(['require', 'module-sync', 'node', 'default']),
];

/**
 * The file that is the package: `exports` where it has one, as for every importer, else `main`. (Node resolves `exports`
 * only by name from a place that can see the package, which this server is not.)
 */
function entryOf(folder: string, { name, exports }: Manifest): string {
  if (exports === undefined) return createRequire(path.join(folder, 'package.json')).resolve(folder);
  const dot = isRecord(exports) && '.' in exports ? exports['.'] : exports;
  const target = CONDITIONS.map((conditions) => targetOf(dot, conditions)).find((found) => found !== undefined);
  if (target?.startsWith('./')) return path.join(folder, target);
  throw new IctError(`${name} exports nothing that can be imported; see "exports" in its package.json`, {
    code: 'PLUGIN_INVALID',
  });
}

/** Node's PACKAGE_TARGET_RESOLVE: the first condition that holds and leads to a file. */
function targetOf(target: unknown, conditions: ReadonlySet<string>): string | undefined {
  if (typeof target === 'string') return target;
  if (Array.isArray(target))
    return target.map((each) => targetOf(each, conditions)).find((found) => found !== undefined);
  if (!isRecord(target)) return undefined;
  for (const [condition, value] of Object.entries(target)) {
    const found = conditions.has(condition) ? targetOf(value, conditions) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readManifest(folder: string): Manifest {
  try {
    return JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as Manifest;
  } catch (cause) {
    throw new IctError(`package.json in ${folder} cannot be read: ${(cause as Error).message}`, {
      code: 'PLUGIN_INVALID',
      cause,
    });
  }
}

function findInNodeModules(name: string, searchFolders: readonly string[]): string | undefined {
  for (const start of searchFolders) {
    for (let at = path.resolve(start); ; at = path.dirname(at)) {
      const folder = path.join(at, 'node_modules', name);
      if (existsSync(path.join(folder, 'package.json'))) return folder;
      if (path.dirname(at) === at) break;
    }
  }
  return undefined;
}
