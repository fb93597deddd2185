import childProcess from 'node:child_process';
import dns from 'node:dns';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';

type Methods = Record<string, unknown>;

/** Functions of a module that reach out of the process. */
interface Watched {
  readonly label: string;
  readonly target: Methods;
  readonly names: readonly string[];
}

function functionsOf(target: object): string[] {
  return Object.keys(target).filter((name) => /^[a-z]/.test(name) && typeof (target as Methods)[name] === 'function');
}

function watched(): Watched[] {
  const all = (label: string, target: object): Watched => {
    return { label, target: target as Methods, names: functionsOf(target) };
  };
  const some = (label: string, target: object, names: string[]): Watched => {
    return { label, target: target as Methods, names };
  };
  return [
    all('fs', fs),
    all('fs.promises', fs.promises),
    all('child_process', childProcess),
    all('dns', dns),
    all('dns.promises', dns.promises),
    some('net.Socket', net.Socket.prototype, ['connect']),
    some('net.Server', net.Server.prototype, ['listen']),
    some('http', http, ['request', 'get']),
    some('https', https, ['request', 'get']),
    some('global', globalThis, ['fetch', 'setTimeout', 'setInterval']),
  ];
}

/**
 * Runs a synchronous function and tells which functions that do I/O, or start timers, it called. Files, sockets, names,
 * processes and timers are watched; the calls themselves go through. What it cannot see, a function taken from its
 * module before (`const { readFileSync } = require('fs')`), often shows in {@link activeResources}.
 */
export function watchIo<T>(work: () => T): { result: T; calls: string[] } {
  const calls: string[] = [];
  const undo: (() => void)[] = [];
  for (const { label, target, names } of watched()) {
    for (const name of names) {
      const descriptor = Object.getOwnPropertyDescriptor(target, name);
      const original = target[name];
      if (typeof original !== 'function' || descriptor?.configurable === false) continue;
      const spy = function (this: unknown, ...values: unknown[]): unknown {
        calls.push(`${label}.${name}`);
        return Reflect.apply(original, this, values);
      };
      Object.defineProperty(target, name, { value: Object.assign(spy, original), configurable: true, writable: true });
      undo.push(() => {
        if (descriptor) Object.defineProperty(target, name, descriptor);
        else delete target[name];
      });
    }
  }
  try {
    return { result: work(), calls };
  } finally {
    for (const restore of undo.reverse()) restore();
  }
}

/** Timers, sockets, servers, files and processes that keep this process alive, by kind with their number. */
export function activeResources(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** What is active now and was not before: `TCPSocketWrap +1`. */
export function newResources(before: ReadonlyMap<string, number>): string[] {
  const more: string[] = [];
  for (const [kind, count] of activeResources()) {
    const extra = count - (before.get(kind) ?? 0);
    // Immediates end by themselves in the next turn of the loop.
    if (extra > 0 && kind !== 'Immediate') more.push(`${kind} +${extra}`);
  }
  return more;
}
