import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { ApiClient, type Reply } from './api-client';
import type { RunningServer } from './running-server';

/** Something that was written or answered, with where it was found. */
export interface Place {
  readonly where: string;
  readonly text: string;
  /** Names of secrets that may stand here, because the API says so. */
  readonly mayHold?: readonly string[];
}

/**
 * The forms in which a secret may come out: clear, in JSON, HTML, URLs and forms, hexadecimal, and base64 at each of
 * the three alignments that a text around it can give it (`user:secret` of Basic, `\0user\0secret` of AUTH PLAIN).
 */
export function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret, 'utf8');
  const forms = new Set([
    secret,
    JSON.stringify(secret).slice(1, -1),
    JSON.stringify(JSON.stringify(secret).slice(1, -1)).slice(1, -1),
    encodeURIComponent(secret),
    encodeURI(secret),
    new URLSearchParams({ s: secret }).toString().slice(2),
    secret.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`),
    secret.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;'),
    bytes.toString('hex'),
  ]);
  for (let offset = 0; offset < 3; offset++) {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    // The first and last characters hold bits of what stands before and after.
    const inner = shifted.slice(
      offset === 0 ? 0 : offset + 1,
      shifted.length - ((bytes.length + offset) % 3 === 0 ? 0 : 1),
    );
    forms.add(inner);
    forms.add(inner.replaceAll('+', '-').replaceAll('/', '_'));
    forms.add(encodeURIComponent(inner));
  }
  return [...forms];
}

/** Says where secrets were found; empty if nowhere. Never shows the secret itself, as this ends up in a test's log. */
export function leaks(places: readonly Place[], secrets: Readonly<Record<string, string>>): string[] {
  const searched = Object.entries(secrets).map(([name, secret]) => ({ name, forms: formsOf(secret) }));
  return places.flatMap(({ where, text, mayHold = [] }) =>
    searched
      .filter(({ name, forms }) => !mayHold.includes(name) && forms.some((form) => text.includes(form)))
      .map(({ name }) => `${name} in ${where}`),
  );
}

/** An {@link ApiClient} whose replies are all kept, with what was asked and the header fields of the answer. */
export class WatchedClient extends ApiClient {
  static readonly replies: Place[] = [];
  private allowed: readonly string[] = [];

  /** The replies of `work` may hold these secrets. */
  async allowing<T>(names: readonly string[], work: (client: this) => Promise<T>): Promise<T> {
    this.allowed = names;
    try {
      return await work(this);
    } finally {
      this.allowed = [];
    }
  }

  override async request(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Reply> {
    const mayHold = this.allowed;
    const reply = await super.request(method, path, body, headers);
    const fields = [...reply.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
    // The path itself is the test's own and may hold a secret on purpose.
    const where = `the reply ${reply.status} to ${method} ${path.split('?')[0]}`;
    WatchedClient.replies.push({ where, text: `${fields}\n\n${reply.text}`, mayHold });
    return reply;
  }
}

/** Every row of every table, as JSON (bytea as hexadecimal). */
export async function databaseDump(server: RunningServer): Promise<Place[]> {
  const tables = await server.sql<{ name: string }>(
    `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
      where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema') order by 1`,
  );
  const places: Place[] = [];
  for (const { name } of tables) {
    const rows = await server.sql<{ row: string }>(`select to_jsonb(t)::text as row from ${name} t`);
    places.push(...rows.map(({ row }, index) => ({ where: `row ${index} of table ${name}`, text: row })));
  }
  return places;
}

/** Every file below the data directory but the keys, whose place that is. */
export function filesOf(dataDir: string): Place[] {
  const names = readdirSync(dataDir, { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.split(path.sep)[0] !== 'keys' && statSync(path.join(dataDir, name)).isFile())
    .map((name) => ({ where: `file ${name}`, text: readFileSync(path.join(dataDir, name)).toString('latin1') }));
}
