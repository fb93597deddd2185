import fs from 'node:fs';
import path from 'node:path';
import { runProgram } from './run-program';

/** What postmaster.pid says (PostgreSQL source, src/include/utils/pidfile.h). */
export interface PidFile {
  pid: number;
  port: number | undefined;
  /** starting, ready, stopping or standby; empty while the file is being written. */
  status: string;
}

/** Reads postmaster.pid, or undefined when there is none or it names nobody. */
export function readPidFile(cluster: string): PidFile | undefined {
  let lines: string[];
  try {
    lines = fs.readFileSync(path.join(cluster, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return undefined;
  }
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  return { pid, port: Number(lines[3]) || undefined, status: (lines[7] ?? '').trim() };
}

/** The live server of this very cluster, or undefined. A stale, reused or zombie pid is not a server. */
export async function runningServer(cluster: string): Promise<PidFile | undefined> {
  const file = readPidFile(cluster);
  return file && (await isServerOf(file.pid, cluster)) ? file : undefined;
}

/** Whether this process is alive (not a zombie), is postgres, and serves this cluster. */
export async function isServerOf(pid: number, cluster: string): Promise<boolean> {
  return process.platform === 'linux' ? isServerLinux(pid, cluster) : isServerPs(pid, cluster);
}

/**
 * PostgreSQL refuses to start when the pid in postmaster.pid is alive, whoever that is: a zombie, or another program
 * that got the number after a crash or a reboot. Only then is the file removed; for a pid that is free PostgreSQL
 * cleans up itself. Surviving backends of the old server are still noticed: since version 12 the shared memory of the
 * directory is examined with or without the file.
 */
export async function removeMisleadingPidFile(cluster: string): Promise<void> {
  const file = readPidFile(cluster);
  if (file && !pidIsFree(file.pid) && !(await isServerOf(file.pid, cluster))) {
    fs.rmSync(path.join(cluster, 'postmaster.pid'), { force: true });
  }
}

function pidIsFree(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

function isServerLinux(pid: number, cluster: string): boolean {
  try {
    // The command in parentheses may itself hold parentheses and spaces: the state follows the last one.
    const state = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '')[0];
    if (state === 'Z' || state === 'X') return false;
    const commandLine = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    if (!commandLine[0]?.includes('postgres')) return false;
    if (commandLine.includes(cluster)) return true;
    // Started by somebody else's command line: the server's working directory is its data directory.
    return fs.readlinkSync(`/proc/${pid}/cwd`) === fs.realpathSync(cluster);
  } catch {
    return false; // gone, or another user's process: neither is a server that we could use
  }
}

async function isServerPs(pid: number, cluster: string): Promise<boolean> {
  const result = await runProgram(['ps', '-ww', '-o', 'stat=,command=', '-p', String(pid)]);
  const [, state = 'Z', command = ''] = /^\s*(\S+)\s+(.*)$/m.exec(result.stdout) ?? [];
  return result.status === 0 && !state.startsWith('Z') && command.includes('postgres') && command.includes(cluster);
}
