/** A JSON schema as far as the server's OpenAPI document uses it. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  items?: Schema;
  minimum?: number;
  maximum?: number;
}

/** An operation of the document, on one path. */
export interface Operation {
  method: string;
  path: string;
  parameters: { name: string; in: string; schema?: Schema }[];
  body: Schema | undefined;
}

/** What is sent. `path` is below /api, with its query, as it stands on the wire. */
export interface OddRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Buffer | undefined;
}

interface Document {
  paths: Record<string, Record<string, Record<string, unknown>>>;
  components: { schemas: Record<string, Schema> };
}

const JSON_TYPE = 'application/json';
/** Nested further than any recursion survives. */
const DEEP = 20_000;

const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1.5,
  1e308,
  2 ** 31,
  2 ** 53,
  -(2 ** 63),
  '99999999999999999999',
  '',
  ' ',
  'x'.repeat(70_000),
  'a\0b',
  'lone \ud800 surrogate',
  '\udfff',
  '☃ 𝒳 \u202e',
  "' or 1=1; --",
  '%s%n$1 ? ',
  '../../../../etc/passwd',
  '[contact:first_name][x:',
  '٣',
  '1e3',
  '0x10',
  'NaN',
  '2026-13-45 99:99',
  [],
  [[null]],
  {},
  { $gt: '' },
  JSON.parse('{"__proto__": {"can": true}, "constructor": {"prototype": 1}}'),
  { value: { deeper: ['a\0b', '\ud800', { 'k\0': 1 }] } },
];

/** As they stand in a URL. */
const ODD_TEXTS: readonly string[] = [
  '0',
  '-1',
  '-2',
  '1.5',
  '999999999',
  '2147483648',
  '9999999999',
  '999999999999999',
  '99999999999999999999',
  '',
  '%00',
  '%FF',
  '%ED%A0%80',
  'a%00b',
  'abc',
  '__proto__',
  'constructor',
  'toString',
  '%27%20or%201%3D1',
  '..%2F..%2Fetc',
  '1,2,3',
  '1,,2',
  `1${',1'.repeat(300)}`,
  'x'.repeat(3000),
  '%E2%98%83',
  '1e3',
  'true',
  '%5B%5D',
];

const ODD_BODIES: readonly string[] = [
  '',
  '{',
  '{"a":1}}',
  'null',
  'true',
  '42',
  '"text"',
  '[]',
  '[{}]',
  '\ufeff{}',
  '{"a":1,"a":2}',
  `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`,
  `${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}`,
  `{"value":${'['.repeat(DEEP)}${']'.repeat(DEEP)}}`,
  `{"settings":${'{"a":'.repeat(DEEP)}1${'}'.repeat(DEEP)}}`,
  '{"name":"\\ud800","\\u0000":1}',
  '{"n":1e400}',
];

const ODD_HEADERS: readonly Record<string, string>[] = [
  { 'Content-Type': 'application/x-www-form-urlencoded' },
  { 'Content-Type': 'multipart/form-data' },
  { 'Content-Type': 'multipart/form-data; boundary=x' },
  { 'Content-Type': 'text/plain; charset=utf-7' },
  { 'Content-Type': 'application/json; charset=x-unknown' },
  { 'Content-Type': 'application/xml' },
  { 'Content-Type': ';;;' },
  { 'Content-Type': 'application/octet-stream', 'Content-Disposition': "attachment; filename*=utf-8''%ff\"" },
  { 'Content-Type': JSON_TYPE, 'Content-Encoding': 'gzip' },
  { 'Content-Type': JSON_TYPE, 'Content-Encoding': 'x-none' },
  { 'Content-Type': JSON_TYPE, 'X-HTTP-Method-Override': 'DELETE' },
  { 'Content-Type': JSON_TYPE, Prefer: 'return=representation', Range: 'bytes=9-1' },
];

/** The operations of an OpenAPI document: canonical paths only. */
export function operationsOf(document: unknown): Operation[] {
  return Object.entries((document as Document).paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const content = (operation.requestBody as { content?: Record<string, { schema?: Schema }> })?.content ?? {};
      return {
        method: method.toUpperCase(),
        path,
        parameters: (operation.parameters ?? []) as Operation['parameters'],
        body: content[JSON_TYPE]?.schema ?? Object.values(content)[0]?.schema,
      };
    }),
  );
}

/** Makes requests that are nearly right, from a seed: the same seed makes the same requests. */
export class OddRequests {
  private state: number;

  /**
   * @param document the server's OpenAPI document
   * @param rows ids of rows by the name of the path parameter or field; may grow while requests are being made
   */
  constructor(
    private readonly document: unknown,
    private readonly rows: Readonly<Record<string, number[]>>,
    seed: number,
  ) {
    this.state = seed >>> 0;
  }

  /** A request to this operation with something odd about it, most of the time. */
  make(operation: Operation): OddRequest {
    const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => this.pathPart(name, operation.method));
    const headers = this.chance(0.12) ? this.pick(ODD_HEADERS) : { 'Content-Type': JSON_TYPE };
    const text = operation.method === 'GET' ? undefined : this.bodyText(operation.body);
    return {
      method: operation.method,
      path: path + this.query(operation),
      headers: text === undefined ? {} : headers,
      body: text === undefined ? undefined : Buffer.from(text),
    };
  }

  private pathPart(name: string, method: string): string {
    const known = this.rows[name];
    const odd = method === 'DELETE' ? 0.7 : 0.25;
    if (known?.length && !this.chance(odd)) return String(this.pick(known));
    return this.pick(ODD_TEXTS.filter((text) => text !== ''));
  }

  private query(operation: Operation): string {
    const names = operation.parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
    if (names.length === 0 || this.chance(0.3)) return '';
    const parts = Array.from({ length: 1 + this.below(3) }, () => {
      const name = this.chance(0.9) ? this.pick(names) : this.pick(['__proto__', 'a[b][c]', 'x', '%FF', '']);
      return `${name}=${this.pick(ODD_TEXTS)}`;
    });
    if (this.chance(0.1)) parts.push(...parts);
    return `?${parts.join('&')}`;
  }

  private bodyText(schema: Schema | undefined): string | undefined {
    if (this.chance(0.15)) return this.pick(ODD_BODIES);
    if (!schema) return this.chance(0.5) ? undefined : '{}';
    const value = this.valueFor(schema, '', 0);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      const keys = Object.keys(value);
      for (let i = this.below(3); i > 0 && keys.length > 0; i--) {
        (value as Record<string, unknown>)[this.pick(keys)] = structuredClone(this.pick(ODD_VALUES));
      }
    }
    return JSON.stringify(value);
  }

  /** A value that the schema takes, as far as a schema can tell. */
  private valueFor(given: Schema, name: string, depth: number): unknown {
    const schema = this.resolved(given);
    if (schema.const !== undefined) return schema.const;
    if (schema.enum) return this.pick(schema.enum);
    const choices = schema.anyOf ?? schema.oneOf;
    if (choices?.length) return this.valueFor(this.pick(choices), name, depth);
    if (schema.allOf) {
      return Object.assign({}, ...schema.allOf.map((part) => this.valueFor(part, name, depth) as object));
    }
    const type = Array.isArray(schema.type) ? this.pick(schema.type) : schema.type;
    if (type === 'object' || schema.properties) return this.objectFor(schema, depth);
    if (type === 'array') return depth > 4 ? [] : [this.valueFor(schema.items ?? {}, name, depth + 1)];
    return this.plainFor(type, schema, name);
  }

  private plainFor(type: string | undefined, schema: Schema, name: string): unknown {
    const known = this.rows[name];
    if (known?.length) return this.pick(known);
    if (type === 'null') return null;
    if (type === 'boolean') return this.chance(0.5);
    if (type === 'integer' || type === 'number') {
      return Math.max(schema.minimum ?? 0, Math.min(schema.maximum ?? 1, this.below(3)));
    }
    if (/email|username/.test(name)) return `u${this.below(1e9)}@example.org`;
    if (/phone/.test(name)) return `+1555${1_000_000 + this.below(1_000_000)}`;
    if (/passw/.test(name)) return 'a long enough password';
    return type === 'string' ? `n${this.below(1e9)}` : structuredClone(this.pick(ODD_VALUES));
  }

  private objectFor(schema: Schema, depth: number): Record<string, unknown> {
    const entries = Object.entries(schema.properties ?? {}).filter(() => depth === 0 || this.chance(0.5));
    const chosen = depth > 4 ? [] : entries.filter(() => this.chance(0.8));
    const made = Object.fromEntries(chosen.map(([key, value]) => [key, this.valueFor(value, key, depth + 1)]));
    if (chosen.length === 0 && this.chance(0.5)) made[`k${this.below(9)}`] = structuredClone(this.pick(ODD_VALUES));
    return made;
  }

  private resolved(schema: Schema): Schema {
    if (!schema.$ref) return schema;
    const name = schema.$ref.split('/').pop() ?? '';
    return this.resolved((this.document as Document).components.schemas[name] ?? {});
  }

  /** mulberry32: small, even enough, and the same everywhere. */
  private next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }

  private below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  private chance(probability: number): boolean {
    return this.next() < probability;
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }
}
