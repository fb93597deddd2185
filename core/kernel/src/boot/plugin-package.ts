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
  return { name: manifest.name, folder, main: createRequire(path.join(folder, 'package.json')).resolve(folder) };
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
