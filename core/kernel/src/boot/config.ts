import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { CHANNELS, FAILURE_REASONS, IctError, z } from '@ictcore/contract';

/** Attaches the environment variable that sets a key. */
function env<T extends z.ZodType>(name: string, description: string, schema: T): T {
  return schema.meta({ env: name, description }) as T;
}

const flag = z.preprocess(
  (value) =>
    value === 'true' || value === '1' || value === 1
      ? true
      : value === 'false' || value === '0' || value === 0
        ? false
        : value,
  z.boolean('must be true or false'),
);
const int = (min: number, max: number) => {
  const range = `must be a whole number from ${min} to ${max}`;
  return z.coerce.number(range).int(range).min(min, range).max(max, range);
};
const list = z.preprocess(
  (value) =>
    typeof value === 'string'
      ? value
          .split(',')
          .map((part) => part.trim())
          .filter(Boolean)
      : value,
  z.array(z.string()),
);

const databaseUrl = z
  .string()
  .refine(
    (value) => /^postgres(ql)?:\/\//.test(value) && URL.canParse(value),
    'must look like postgres://user:password@host:5432/database',
  );

/** Every key of the configuration: where it comes from, what it may be, what it is unless set. */
export const configSchema = z.strictObject({
  host: env('ICTCORE_HOST', 'Address the HTTP server listens on', z.string().min(1).default('127.0.0.1')),
  port: env('ICTCORE_PORT', 'Port the HTTP server listens on; 0 takes any free one', int(0, 65535).default(8080)),
  public_url: env(
    'ICTCORE_PUBLIC_URL',
    'URL under which carriers and users reach this server, where it differs from host and port (proxy, TLS)',
    z
      .string()
      .refine((value) => /^https?:\/\//.test(value) && URL.canParse(value), 'must be an http or https URL')
      .optional(),
  ),
  data_dir: env(
    'ICTCORE_DATA_DIR',
    'Folder of the embedded database, media and keys (mode 0700)',
    z.string().min(1).default('./data'),
  ),
  database_url: env(
    'DATABASE_URL',
    'An external PostgreSQL (15 or newer); unset: the embedded one',
    databaseUrl.optional(),
  ),
  database_pool: env(
    'ICTCORE_DATABASE_POOL',
    'Connections to PostgreSQL for raw SQL; the ORM takes half as many more',
    int(2, 200).default(10),
  ),
  role: env(
    'ICTCORE_ROLE',
    'api: answers HTTP; worker: delivers; all: both',
    z.enum(['all', 'api', 'worker']).default('all'),
  ),
  admin_password: env(
    'ICTCORE_ADMIN_PASSWORD',
    'Password of the first administrator, at the very first start only; unset: one is made and printed once',
    z.string().min(8, 'must have at least 8 characters').max(128).optional(),
  ),
  secret_key: env(
    'ICTCORE_SECRET_KEY',
    'Key that encrypts stored secrets: 32 bytes as base64. Unset: kept in data_dir/keys. Servers that share a database need the same one',
    z
      .string()
      .refine((value) => Buffer.from(value, 'base64').length === 32, 'must be 32 bytes in base64')
      .optional(),
  ),
  log_level: env(
    'ICTCORE_LOG_LEVEL',
    'Least severity that is logged',
    z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  ),
  plugins: env('ICTCORE_PLUGINS', 'Further plugins: names of npm packages or paths, comma-separated', list.default([])),
  plugins_disabled: env(
    'ICTCORE_PLUGINS_DISABLED',
    'Plugins that are not to be loaded, comma-separated',
    list.default([]),
  ),
  plugin_timeout: env(
    'ICTCORE_PLUGIN_TIMEOUT',
    'Seconds a plugin may take to load or start before it is declined',
    int(1, 600).default(15),
  ),
  plugin_config: z
    .record(z.string(), z.unknown())
    .default({})
    .meta({ description: 'Configuration of plugins, by package name (file only)' }),
  trust_proxy: env(
    'ICTCORE_TRUST_PROXY',
    'Addresses or networks of reverse proxies whose X-Forwarded-* headers count',
    list.default([]),
  ),
  cors: env(
    'ICTCORE_CORS',
    'Origins that browsers may call from, comma-separated; * for any; empty for none',
    list.default([]),
  ),
  basic_auth: env(
    'ICTCORE_BASIC_AUTH',
    'Whether user name and password are taken with each request (RFC 7617)',
    flag.default(true),
  ),
  token_lifetime: env(
    'ICTCORE_TOKEN_LIFETIME',
    'Seconds a token of POST /authenticate is valid',
    int(60, 31_536_000).default(86_400),
  ),
  max_body: env(
    'ICTCORE_MAX_BODY',
    'Largest JSON body in bytes; file uploads have limits of their own',
    int(1024, 104_857_600).default(10_485_760),
  ),
  stop_timeout: env(
    'ICTCORE_STOP_TIMEOUT',
    'Seconds work in flight may take to finish at a stop',
    int(1, 600).default(20),
  ),
  country: env(
    'ICTCORE_COUNTRY',
    'Default country of phone numbers without + (ISO 3166-1, two letters)',
    z
      .string()
      .regex(/^[A-Z]{2}$/, 'must be two capital letters')
      .optional(),
  ),
  compat: z
    .strictObject({
      legacy_get: env(
        'ICTCORE_COMPAT_LEGACY_GET',
        'GET also does what the old guide lets it do (send, start, stop, clone)',
        flag.default(true),
      ),
    })
    .prefault({}),
  tokens: z
    .strictObject({
      unknown: env(
        'ICTCORE_TOKENS_UNKNOWN',
        'What becomes of unknown [tokens] in a real send',
        z.enum(['keep', 'empty', 'fail']).default('keep'),
      ),
    })
    .prefault({}),
  fax_domain: env(
    'ICTCORE_FAX_DOMAIN',
    'Mail domain of fax numbers (<number>@domain): mails about received faxes come from there, so that an answer can become a fax',
    z
      .string()
      .regex(/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.)*[A-Za-z0-9-]{1,63}$/, 'must be a domain')
      .max(30)
      .optional(),
  ),
  company: z
    .strictObject({
      name: env(
        'ICTCORE_COMPANY_NAME',
        'Your company, for [company:name] and fax headers',
        z.string().max(128).default('ICTCore'),
      ),
      email: env(
        'ICTCORE_COMPANY_EMAIL',
        'Sender of mails for accounts without an address of their own',
        z.string().max(128).default(''),
      ),
      phone: env('ICTCORE_COMPANY_PHONE', 'For [company:phone]', z.string().max(32).default('')),
      address: env('ICTCORE_COMPANY_ADDRESS', 'For [company:address]', z.string().max(255).default('')),
    })
    .prefault({}),
  media: z
    .strictObject({
      document_max_bytes: env(
        'ICTCORE_MEDIA_DOCUMENT_MAX_BYTES',
        'Bytes that the uploaded files of one fax document may have together',
        int(1024, 2_147_483_647).default(26_214_400),
      ),
      document_max_pages: env(
        'ICTCORE_MEDIA_DOCUMENT_MAX_PAGES',
        'Pages that one fax document may have',
        int(1, 10_000).default(500),
      ),
      recording_max_bytes: env(
        'ICTCORE_MEDIA_RECORDING_MAX_BYTES',
        'Bytes that the uploaded files of one recording may have together',
        int(1024, 2_147_483_647).default(26_214_400),
      ),
      recording_max_seconds: env(
        'ICTCORE_MEDIA_RECORDING_MAX_SECONDS',
        'Seconds that one recording may last',
        int(1, 86_400).default(1800),
      ),
      convert_wait: env(
        'ICTCORE_MEDIA_CONVERT_WAIT',
        'Seconds an upload is waited for before its id is answered with status "converting"',
        z.coerce.number('must be a number').min(0).max(120).default(10),
      ),
      convert_timeout: env(
        'ICTCORE_MEDIA_CONVERT_TIMEOUT',
        'Seconds one conversion may take',
        int(1, 3600).default(60),
      ),
      convert_memory: env(
        'ICTCORE_MEDIA_CONVERT_MEMORY',
        'MiB of memory one conversion may use',
        int(256, 65_536).default(768),
      ),
      convert_workers: env(
        'ICTCORE_MEDIA_CONVERT_WORKERS',
        'Conversions at the same time; unset: one less than there are processors, at least 1',
        int(1, 64).optional(),
      ),
      allow_unsandboxed_office: env(
        'ICTCORE_MEDIA_ALLOW_UNSANDBOXED_OFFICE',
        'Convert office documents although bubblewrap is missing: they can then read the files of this server',
        flag.default(false),
      ),
    })
    .prefault({}),
  import: z
    .strictObject({
      max_bytes: env(
        'ICTCORE_IMPORT_MAX_BYTES',
        'Largest CSV file of contacts, in bytes',
        int(1024, 107_374_182_400).default(1_073_741_824),
      ),
      max_rows: env(
        'ICTCORE_IMPORT_MAX_ROWS',
        'Most rows of a CSV file of contacts',
        int(1, 100_000_000).default(5_000_000),
      ),
    })
    .prefault({}),
  engine: z
    .strictObject({
      batch: env('ICTCORE_ENGINE_BATCH', 'Attempts a worker claims at once', int(1, 1000).default(100)),
      in_flight: env(
        'ICTCORE_ENGINE_IN_FLIGHT',
        'Hand-overs at once per provider that names no limit itself',
        int(1, 10_000).default(100),
      ),
      submit_timeout: env(
        'ICTCORE_ENGINE_SUBMIT_TIMEOUT',
        'Seconds a carrier may take to answer a hand-over; then the outcome is unknown',
        int(1, 3600).default(120),
      ),
      lease: env(
        'ICTCORE_ENGINE_LEASE',
        'Seconds without a heartbeat after which a node counts as dead',
        int(5, 600).default(30),
      ),
      retry_delay: env(
        'ICTCORE_ENGINE_RETRY_DELAY',
        'Seconds between a failed attempt and the next',
        int(0, 86_400).default(60),
      ),
      retry_backoff: env(
        'ICTCORE_ENGINE_RETRY_BACKOFF',
        'Factor by which the delay grows with each attempt',
        z.coerce.number().min(1).max(10).default(1),
      ),
    })
    .prefault({}),
  retry: z
    .strictObject({
      permanent: env(
        'ICTCORE_RETRY_PERMANENT',
        'Whether attempts that failed for good (no such destination, refused) are tried again too',
        flag.default(false),
      ),
      causes: z
        .partialRecord(
          z.enum(CHANNELS),
          z.partialRecord(
            z.enum(FAILURE_REASONS),
            z.strictObject({
              retry: z.boolean(),
              delay: int(0, 86_400).optional(),
              backoff: z.coerce.number().min(1).max(10).optional(),
            }),
          ),
        )
        .default({})
        .meta({
          description:
            'Whether and when to try again, by channel and cause (file only): {"voice": {"busy": {"retry": true, "delay": 30, "backoff": 2}}}',
        }),
    })
    .prefault({}),
  campaign: z
    .strictObject({
      default_cpm: env(
        'ICTCORE_CAMPAIGN_DEFAULT_CPM',
        'Attempts per minute of campaigns that name no cpm; 0: as fast as carriers take them',
        int(0, 6000).default(2),
      ),
      broken_after: env(
        'ICTCORE_CAMPAIGN_BROKEN_AFTER',
        'Hand-overs in a row that fail because of the provider before a campaign counts as broken',
        int(1, 100_000).default(20),
      ),
    })
    .prefault({}),
  schedule: z
    .strictObject({
      grace: env(
        'ICTCORE_SCHEDULE_GRACE',
        'Seconds by which a schedule may be late (server down) and still run; later ones expire',
        int(10, 86_400).default(300),
      ),
    })
    .prefault({}),
});

/** The validated configuration. */
export type Config = z.infer<typeof configSchema>;

interface Key {
  path: string[];
  env: string | undefined;
  description: string;
}

/** Every key with its path, environment variable and description, in order. */
export function configKeys(schema: z.ZodType = configSchema, at: string[] = []): Key[] {
  const shape = shapeOf(schema);
  if (!shape) {
    const meta = schema.meta() as { env?: string; description?: string } | undefined;
    return [{ path: at, env: meta?.env, description: meta?.description ?? '' }];
  }
  return Object.entries(shape).flatMap(([name, field]) => configKeys(field, [...at, name]));
}

function shapeOf(schema: z.ZodType): Record<string, z.ZodType> | undefined {
  if (schema instanceof z.ZodPrefault) return shapeOf(schema.def.innerType as z.ZodType);
  return schema instanceof z.ZodObject ? (schema.shape as Record<string, z.ZodType>) : undefined;
}

/** Variables of this prefix that are not ours to judge: they belong to the test suite. */
const NOT_CONFIGURATION = /^ICTCORE_(TEST_|REQUIRE_PEERS$|CONFIG$)/;

/**
 * Reads the configuration: the file named by `ICTCORE_CONFIG` (default `config/local.json` below `cwd`, if there), then
 * the environment on top. `null` in the file and an empty variable mean that a key is not set.
 *
 * @throws `CONFIG_INVALID` naming every wrong key, where it came from and what it must be
 */
export function loadConfig(environment: NodeJS.ProcessEnv, cwd: string): Config {
  const values = readConfigFile(environment.ICTCORE_CONFIG, cwd);
  for (const key of configKeys()) dropNull(values, key.path);
  const known = new Map(configKeys().flatMap((key) => (key.env ? [[key.env, key]] : [])));
  const problems: string[] = [];
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('ICTCORE_') && name !== 'DATABASE_URL') continue;
    if (NOT_CONFIGURATION.test(name) || value === undefined || value === '') continue;
    const key = known.get(name);
    if (key) assign(values, key.path, value);
    else problems.push(`${name}: there is no such key`);
  }
  const result = configSchema.safeParse(values);
  if (!result.success) {
    for (const issue of result.error.issues) problems.push(describeIssue(issue, known));
  }
  if (problems.length > 0 || !result.success) {
    throw new IctError(`The configuration is wrong.\n  ${problems.join('\n  ')}\nSee docs/configuration.md.`, {
      code: 'CONFIG_INVALID',
    });
  }
  return { ...result.data, data_dir: path.resolve(cwd, result.data.data_dir) };
}

function describeIssue(issue: z.core.$ZodIssue, known: ReadonlyMap<string, Key>): string {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${[...issue.path, key].join('.')}: there is no such key`).join('\n  ');
  }
  const name = issue.path.join('.');
  const variable = [...known.values()].find(
    (key) => name === key.path.join('.') || name.startsWith(`${key.path.join('.')}.`),
  )?.env;
  return `${name}${variable ? ` (${variable})` : ''}: ${issue.message}`;
}

function readConfigFile(named: string | undefined, cwd: string): Record<string, unknown> {
  const file = path.resolve(cwd, named ?? 'config/local.json');
  if (!named && !existsSync(file)) return {};
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new IctError(`ICTCORE_CONFIG: cannot read ${file}: ${(error as Error).message}`, { code: 'CONFIG_INVALID' });
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      return parsed as Record<string, unknown>;
  } catch (error) {
    throw new IctError(`${file} is not valid JSON: ${(error as Error).message}`, { code: 'CONFIG_INVALID' });
  }
  throw new IctError(`${file} must hold a JSON object`, { code: 'CONFIG_INVALID' });
}

function assign(target: Record<string, unknown>, at: readonly string[], value: unknown): void {
  const [head, ...rest] = at;
  if (head === undefined) return;
  if (rest.length === 0) {
    target[head] = value;
    return;
  }
  if (typeof target[head] !== 'object' || target[head] === null) target[head] = {};
  assign(target[head] as Record<string, unknown>, rest, value);
}

function dropNull(values: Record<string, unknown>, at: readonly string[]): void {
  const [head, ...rest] = at;
  if (head === undefined) return;
  const value = values[head];
  if (value === null) delete values[head];
  else if (typeof value === 'object') dropNull(value as Record<string, unknown>, rest);
}
