import { ADMIN_PASSWORD, type TestKernel } from './test-kernel';

/** What came back. */
export interface Reply<T> {
  status: number;
  body: T;
  text: string;
  headers: Headers;
}

/** Speaks HTTP to a kernel of this process as one user. */
export class Caller {
  constructor(
    readonly base: string,
    readonly authorization: string,
  ) {}

  static admin(test: TestKernel): Caller {
    return new Caller(`${test.base()}/api`, basic('admin', ADMIN_PASSWORD));
  }

  /** A user with the built-in role of ordinary users, or with just these permissions. */
  static async user(test: TestKernel, username: string, permissions?: readonly string[]): Promise<Caller> {
    const admin = Caller.admin(test);
    const password = `the password of ${username}`;
    const created = await admin.call<number>('POST', '/users', {
      username,
      password,
      email: `${username}@example.org`,
      ...(permissions && { roles: [] }),
    });
    if (permissions) {
      await test.database.query('delete from user_role where user_id = $1', [created.body]);
      await test.database.query(
        `insert into user_permission select $1, permission_id from permission where name = any($2::text[])`,
        [created.body, permissions],
      );
    }
    return new Caller(admin.base, basic(username, password));
  }

  async call<T = unknown>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Reply<T>> {
    const raw = typeof body === 'string' || body instanceof Uint8Array || body instanceof FormData;
    const response = await fetch(this.base + path, {
      method,
      headers: {
        authorization: this.authorization,
        ...(body !== undefined && !raw && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: (raw ? body : JSON.stringify(body)) as NonNullable<RequestInit['body']> }),
    });
    const text = await response.text();
    let parsed: unknown = text;
    try {
      parsed = JSON.parse(text);
    } catch {
      // CSV
    }
    return { status: response.status, body: parsed as T, text, headers: response.headers };
  }

  /** The body of a reply with status 200; fails on any other. */
  async ok<T = unknown>(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<T> {
    const reply = await this.call<T>(method, path, body, headers);
    if (reply.status !== 200) throw new Error(`${method} ${path}: ${reply.status} ${reply.text.slice(0, 500)}`);
    return reply.body;
  }

  /** A new group's id. */
  group(name = 'Friends'): Promise<number> {
    return this.ok<number>('POST', '/groups', { name });
  }

  /** Imports a CSV text. */
  csv<T = Report>(path: string, csv: string | Uint8Array, type = 'text/csv'): Promise<Reply<T>> {
    return this.call<T>('POST', path, csv, { 'content-type': type });
  }
}

/** Answer of an import. */
export interface Report {
  group_id: number;
  imported: number;
  linked: number;
  skipped: number;
  errors: { line: number; message: string }[];
}

function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
