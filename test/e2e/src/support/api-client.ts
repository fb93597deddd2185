/** What came back. */
export interface Reply {
  status: number;
  headers: Headers;
  /** Parsed JSON; the text where it is none. */
  body: unknown;
  text: string;
}

/** A refused request, as an error with everything that came back. */
export class ApiError extends Error {
  constructor(
    readonly reply: Reply,
    what: string,
  ) {
    super(`${what}: ${reply.status} ${reply.text.slice(0, 500)}`);
  }
}

/** A client of the REST API as a user's program would be: nothing of the server's code is used. */
export class ApiClient {
  /** Every reply seen, for tests that look for what must never be in one. */
  static readonly seen: string[] = [];

  constructor(
    private readonly url: string,
    private readonly credentials: { username: string; password: string } | { token: string } | undefined,
  ) {}

  /** The same server without credentials. */
  anonymous(): ApiClient {
    return new ApiClient(this.url, undefined);
  }

  /** The same server with a token. */
  withToken(token: string): ApiClient {
    return new ApiClient(this.url, { token });
  }

  /** Any request; paths are below /api unless they begin with a full URL. Refusals are returned, not thrown. */
  async request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> {
    const raw = typeof body === 'string' || body instanceof Uint8Array || body instanceof FormData;
    const response = await fetch(path.startsWith('http') ? path : `${this.url}/api${path}`, {
      method,
      headers: {
        ...this.authorization(),
        ...(body !== undefined && !raw && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: (raw ? body : JSON.stringify(body)) as NonNullable<RequestInit['body']> }),
      redirect: 'manual',
    });
    const text = await response.text();
    ApiClient.seen.push(text);
    return { status: response.status, headers: response.headers, body: parse(text), text };
  }

  get<T = unknown>(path: string): Promise<T> {
    return this.must<T>('GET', path);
  }

  post<T = number>(path: string, body?: unknown): Promise<T> {
    return this.must<T>('POST', path, body);
  }

  put<T = unknown>(path: string, body?: unknown): Promise<T> {
    return this.must<T>('PUT', path, body);
  }

  delete<T = unknown>(path: string): Promise<T> {
    return this.must<T>('DELETE', path);
  }

  /** Status and message of a request that is expected to be refused. */
  async refusal(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; message: string; fields: string[] }> {
    const reply = await this.request(method, path, body);
    const { error } = reply.body as { error?: { message: string; details?: { field: string }[] } };
    return {
      status: reply.status,
      message: error?.message ?? '',
      fields: (error?.details ?? []).map((detail) => detail.field),
    };
  }

  private async must<T>(method: string, path: string, body?: unknown): Promise<T> {
    const reply = await this.request(method, path, body);
    if (reply.status >= 300) throw new ApiError(reply, `${method} ${path}`);
    return reply.body as T;
  }

  private authorization(): Record<string, string> {
    if (!this.credentials) return {};
    if ('token' in this.credentials) return { Authorization: `Bearer ${this.credentials.token}` };
    const { username, password } = this.credentials;
    return { Authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
