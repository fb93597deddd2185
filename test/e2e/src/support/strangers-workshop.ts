import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = path.resolve(__dirname, '../../../..');
const FIXTURES = path.resolve(__dirname, '../../fixtures/strangers-plugin');
const TSC = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
/** Longest that npm or the compiler may take, in milliseconds. */
const PATIENCE_MS = 90_000;
const INSTALL = ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock'];

/** What a check of the test kit came to. */
export interface CheckResult {
  name: string;
  state: 'passed' | 'failed' | 'skipped';
  detail: string;
}

/**
 * The folder of somebody who writes plugins and has nothing of ours but what is published: tarballs of the contract and
 * of the test kit, and of the packages that these ask for.
 */
export class Workshop {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'ictcore-stranger-'));
  /** Tarballs by package name. */
  private readonly tarballs = new Map<string, string>();

  /** Packs a package of ours, or one that is installed in the repository, as `npm publish` would. */
  async pack(name: string, source: string): Promise<void> {
    const { stdout } = await this.npm(this.folder, ['pack', '--json', '--ignore-scripts', path.resolve(ROOT, source)]);
    // The form of --json has changed between major versions of npm: a list, or an object by package name.
    const [packed] = Object.values(JSON.parse(stdout) as Record<string, { filename: string }>);
    this.tarballs.set(name, path.join(this.folder, packed?.filename ?? ''));
  }

  /** Copies a package's sources here and installs what it asks for from tarballs alone. */
  async checkOut(fixture: string, needs: readonly string[]): Promise<string> {
    const folder = path.join(this.folder, fixture);
    cpSync(path.join(FIXTURES, fixture), folder, { recursive: true });
    await this.npm(folder, [...INSTALL, '--no-save', ...this.files(needs)]);
    return folder;
  }

  /** Type-checks and builds; rejects with the compiler's words. */
  async build(folder: string): Promise<void> {
    await run(process.execPath, [TSC, '-p', folder], { cwd: folder, timeout: PATIENCE_MS }).catch((error: unknown) => {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      throw new Error(`tsc in ${path.basename(folder)}: ${stdout}${stderr}`);
    });
  }

  /** Runs a package's own test, which prints the results of the kit's checks as JSON. */
  async ownChecks(folder: string, file: string): Promise<CheckResult[]> {
    const { stdout } = await run(process.execPath, [path.join(folder, file)], { cwd: folder, timeout: PATIENCE_MS });
    return JSON.parse(stdout) as CheckResult[];
  }

  /** Installs packages below `folder/node_modules`, as an administrator would do in the server's plugin folder. */
  async install(folder: string, names: readonly string[]): Promise<void> {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
    await this.npm(folder, [...INSTALL, ...this.files(names)]);
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private files(names: readonly string[]): string[] {
    return names.map((name) => {
      const file = this.tarballs.get(name);
      if (file === undefined) throw new Error(`${name} is not packed`);
      return file;
    });
  }

  /** npm as called by hand: without the settings that an npm around this test run has put into the environment. */
  private async npm(cwd: string, args: readonly string[]): Promise<{ stdout: string }> {
    const inherited = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name));
    const env = { ...Object.fromEntries(inherited), npm_config_cache: path.join(this.folder, 'cache') };
    return run('npm', [...args], { cwd, env, timeout: PATIENCE_MS, maxBuffer: 64 * 1024 * 1024 }).catch(
      (error: unknown) => {
        const { stdout, stderr } = error as { stdout: string; stderr: string };
        throw new Error(`npm ${args[0]} in ${path.basename(cwd)}: ${stdout}${stderr}`);
      },
    );
  }
}
