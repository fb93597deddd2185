import { type AnyRoute, CONTRACT_VERSION, defineRoute, PUBLIC, reply, z } from '@ictcore/contract';
import type { PluginState } from '../boot/plugin-host';
import type { Database } from '../database/database';

export interface SystemParts {
  database: Database;
  version: string;
  role: string;
  plugins: () => readonly PluginState[];
  /** Whether this node delivers. */
  engineRunning: () => boolean;
  startedAt: number;
}

const component = z.object({ state: z.enum(['ok', 'error', 'off']), detail: z.string() });

const health = z
  .object({
    status: z.enum(['ok', 'error']),
    version: z.string(),
    contract: z.string(),
    node: z.string(),
    uptime: z.int().describe('Seconds'),
    role: z.string(),
    components: z.object({ database: component, engine: component, plugins: component }),
  })
  .meta({ id: 'Health' });

const plugin = z
  .object({
    name: z.string(),
    version: z.string(),
    api: z.string(),
    status: z.enum(['active', 'declined', 'disabled']),
    code: z.string().nullable(),
    message: z.string().nullable(),
    builtIn: z.boolean(),
    programs: z.array(z.string()),
    drivers: z.array(z.string()),
    problems: z.array(z.string()),
  })
  .meta({ id: 'Plugin' });

/** Milliseconds the database may take to answer before the server calls itself unwell. */
const PING_MS = 2000;

/** `GET /health` and `GET /system/plugins`. */
export function systemRoutes(parts: SystemParts): AnyRoute[] {
  return [
    defineRoute({
      method: 'get',
      path: '/health',
      permission: PUBLIC,
      summary: 'Whether the server is ready, with versions and the state of its parts',
      response: health,
      errors: { 503: 'The database is away' },
      handler: () => healthReply(parts),
    }),
    defineRoute({
      method: 'get',
      path: '/system/plugins',
      permission: 'configuration_read',
      summary: 'Plugins: what is loaded, what was declined and why',
      response: z.array(plugin),
      handler: () => [...parts.plugins()],
    }),
  ];
}

async function healthReply(parts: SystemParts) {
  const database = await parts.database.ping(PING_MS).then(
    () => ({ state: 'ok' as const, detail: '' }),
    () => ({ state: 'error' as const, detail: 'the database does not answer' }),
  );
  const declined = parts.plugins().filter((state) => state.status === 'declined');
  const ok = database.state === 'ok';
  return reply(
    ok ? 200 : 503,
    {
      status: ok ? 'ok' : 'error',
      version: parts.version,
      contract: CONTRACT_VERSION,
      node: process.version,
      uptime: Math.floor((Date.now() - parts.startedAt) / 1000),
      role: parts.role,
      components: {
        database,
        engine: { state: parts.engineRunning() ? 'ok' : 'off', detail: '' },
        plugins: {
          state: declined.length === 0 ? 'ok' : 'error',
          detail: declined.length === 0 ? '' : `${declined.length} declined; see /api/system/plugins`,
        },
      },
    },
    { 'Cache-Control': 'no-store' },
  );
}
