import { z } from '@ictcore/contract';
import { configKeys, configSchema } from '@ictcore/kernel';

/** One property of the configuration's JSON Schema, as far as it is shown. */
interface Property {
  type?: string;
  enum?: readonly string[];
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  properties?: Record<string, Property>;
}

/** Where a key's rule needs words of its own: what a pattern or a check in code asks for. */
const WORDS: Readonly<Record<string, string>> = {
  public_url: 'http or https URL',
  database_url: '`postgres://user:password@host:5432/database`',
  secret_key: '32 bytes in base64',
  country: 'two capital letters (ISO 3166-1)',
  plugin_config: 'object: package name to settings',
};

/** Keys whose value is never written into a file by us. */
const SECRETS = new Set(['database_url', 'admin_password', 'secret_key']);

const HEAD = `# Configuration

Every key can stand in \`config/local.json\` below the working directory (or in the file that \`ICTCORE_CONFIG\` names),
and has an environment variable, which wins over the file. \`null\` in the file and an empty variable mean "not set". A
dot in a key is a level in the file: \`engine.batch\` is \`{"engine": {"batch": 100}}\`. Lists are comma-separated in
variables and arrays in the file.

Everything is checked when the server starts: a wrong value, an unknown key in the file and an unknown \`ICTCORE_\`
variable are all refused together, each by name.

\`\`\`
$ ICTCORE_PORT=eighty npm start
ictcore: The configuration is wrong.
  port (ICTCORE_PORT): must be a number
See docs/configuration.md.
\`\`\`

Besides these keys there is \`ICTCORE_CONFIG\`, the file to read in place of \`config/local.json\`. Variables that begin
with \`ICTCORE_TEST_\`, and \`ICTCORE_REQUIRE_PEERS\`, belong to the tests and are not looked at.

`;

const FOOT = `
Secrets (${[...SECRETS].map((name) => `\`${name}\``).join(', ')}) are removed from the log. In a file, keep them readable for the server's user only.

This page and \`config/default.json\` are made from the schema in \`core/kernel/src/boot/config.ts\`:
\`node test/configuration-docs.cjs\` after a build. A test fails when they are out of date.
`;

/** docs/configuration.md */
export function renderPage(): string {
  const rows = configKeys().map((key) => {
    const name = key.path.join('.');
    const cells = [`\`${name}\``, key.env ? `\`${key.env}\`` : 'file only', allowed(key.path), shownDefault(key.path)];
    return `| ${[...cells, key.description].join(' | ')} |`;
  });
  return `${HEAD}| Key | Variable | Allowed | Default | Meaning |\n|---|---|---|---|---|\n${rows.join('\n')}\n${FOOT}`;
}

/** config/default.json: every key with its default; null where there is none. */
export function renderDefaults(): string {
  const values: Record<string, unknown> = {};
  for (const { path } of configKeys()) put(values, path, defaultOf(path) ?? null);
  return `${JSON.stringify(values, null, 2)}\n`;
}

function put(target: Record<string, unknown>, [head, ...rest]: readonly string[], value: unknown): void {
  if (head === undefined) return;
  if (rest.length === 0) {
    target[head] = value;
    return;
  }
  target[head] ??= {};
  put(target[head] as Record<string, unknown>, rest, value);
}

const defaults: unknown = configSchema.parse({});

function defaultOf(path: readonly string[]): unknown {
  return path.reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], defaults);
}

function shownDefault(path: readonly string[]): string {
  const value = defaultOf(path);
  if (value === undefined) return 'not set';
  if (value === '' || (Array.isArray(value) && value.length === 0)) return 'empty';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

const schema = z.toJSONSchema(configSchema, { io: 'output', unrepresentable: 'any' }) as unknown as Property;

function allowed(path: readonly string[]): string {
  const words = WORDS[path.join('.')];
  if (words) return words;
  const property = path.reduce<Property | undefined>((at, name) => at?.properties?.[name], schema);
  if (!property?.type) throw new Error(`${path.join('.')}: say in WORDS what is allowed`);
  if (property.enum) return property.enum.map((value) => `\`${value}\``).join(', ');
  if (property.type === 'boolean') return '`true`, `false`';
  if (property.type === 'array') return 'list';
  if (property.type === 'string') return textRule(property);
  if (property.type === 'object') return 'object';
  if (property.minimum === undefined || property.maximum === undefined) {
    throw new Error(`${path.join('.')}: a ${property.type} without bounds; say in WORDS what is allowed`);
  }
  const kind = property.type === 'integer' ? 'whole number' : 'number';
  return `${kind} ${property.minimum} to ${property.maximum}`;
}

function textRule({ minLength = 0, maxLength }: Property): string {
  if (maxLength === undefined) return 'text';
  return minLength > 0 ? `${minLength} to ${maxLength} characters` : `at most ${maxLength} characters`;
}
