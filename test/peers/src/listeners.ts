import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { processesIn } from './peer-process';

const LISTEN = '0A';

/**
 * Local addresses that the processes of a peer listen on, as `/proc/net/tcp` writes them (`0100007F` is 127.0.0.1, IPv6
 * addresses have 32 digits): lets a test prove that a peer is not reachable from outside.
 */
export function listeningAddresses(dir: string): string[] {
  const sockets = new Set(processesIn(dir).flatMap(socketInodes));
  const rows = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(1));
  const found = rows.flatMap((row) => {
    const [, local = '', , state, , , , , , inode = ''] = row.trim().split(/\s+/);
    return state === LISTEN && sockets.has(inode) ? [local.replace(/:.*/, '')] : [];
  });
  return [...new Set(found)];
}

function socketInodes(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      return inode === undefined ? [] : [inode];
    });
  } catch {
    return []; // the process ended meanwhile
  }
}
