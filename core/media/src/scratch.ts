import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** `job-<process id>-<six random letters>`. */
const NAME = /^job-(\d+)-\w+$/;

/** Directories for one conversion each, below one root; each is removed whatever happens to the conversion. */
export class Scratch {
  constructor(
    /** Absolute path; made on first use, readable by this user only. */
    readonly root: string,
  ) {}

  /** Runs `use` with a new empty directory and removes it afterwards, on success and on every error. */
  async with<T>(use: (directory: string) => Promise<T>): Promise<T> {
    await mkdir(this.root, { recursive: true, mode: 0o700 });
    const directory = await mkdtemp(join(this.root, `job-${process.pid}-`));
    try {
      return await use(directory);
    } finally {
      await rm(directory, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 });
    }
  }

  /** Removes what servers left that were killed: directories whose process is gone. Returns how many. */
  async sweep(): Promise<number> {
    const names = await readdir(this.root).catch(() => []);
    const dead = names.filter((name) => {
      const pid = Number(NAME.exec(name)?.[1] ?? Number.NaN);
      return !Number.isNaN(pid) && !isAlive(pid);
    });
    for (const name of dead) await rm(join(this.root, name), { recursive: true, force: true });
    return dead.length;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
