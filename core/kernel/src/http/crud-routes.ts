import {
  type Actor,
  type AnyRoute,
  defineRoute,
  type RouteReply,
  type RouteRequest,
  reply,
  z,
} from '@ictcore/contract';
import { type ListQuery, listQuerySchema } from '../database/list-query';
import type { Page } from '../database/owned-repository';
import type { ResourceSpec } from '../database/resource';
import { idParam } from './fields';

/** What the five routes of a noun need. */
export interface CrudService<Row extends object, Create, Update> {
  list(actor: Actor, query: ListQuery): Promise<Page<Row>>;
  count(actor: Actor, query: ListQuery): Promise<{ total: number; exact: boolean }>;
  get(actor: Actor, id: number): Promise<Row>;
  create(actor: Actor, input: Create): Promise<number>;
  update(actor: Actor, id: number, input: Update): Promise<Row>;
  remove(actor: Actor, id: number): Promise<void>;
}

export interface CrudOptions<Row extends object, Create, Update> {
  spec: ResourceSpec;
  /** Canonical path first, then aliases: `['/messages/templates', '/templates']`. */
  paths: readonly [string, ...string[]];
  service: CrudService<Row, Create, Update>;
  create: z.ZodType<Create>;
  update: z.ZodType<Update>;
  read: z.ZodType<Row>;
  /** Shape of a list's rows; default: as a single read. */
  row?: z.ZodType;
  /** Guide lines, for the documentation: create, list, read, update, delete. */
  lines?: readonly [string, string, string, string, string];
}

/** The id of a new row, as every client expects it: a bare JSON number (API section 0.2). */
export const newId = z.int().describe('Id of the new row');
/** The answer of deletes and of actions that give no id. */
export const done = z.literal(true);

/** Create, list, read, update and delete of a noun, with permissions `<name>_create` and so on. */
export function crudRoutes<Row extends object, Create, Update>(options: CrudOptions<Row, Create, Update>): AnyRoute[] {
  const { spec, service, lines } = options;
  const [base] = options.paths;
  const id = spec.key;
  const one = `/{${id}}`;
  const params = z.object({ [id]: idParam() });
  const idOf = (request: RouteRequest<unknown, unknown, unknown>) =>
    (request.params as Record<string, number>)[id] as number;
  const aliasesOf = (tail: string) => options.paths.slice(1).map((path) => ({ path: path + tail }));
  const noun = spec.name;
  const line = (index: number) => (lines ? { description: `Guide line ${lines[index]}` } : {});
  return [
    defineRoute({
      method: 'post',
      path: base,
      aliases: aliasesOf(''),
      permission: `${noun}_create`,
      summary: `Create a ${noun}`,
      ...line(0),
      body: options.create,
      response: newId,
      async handler(request) {
        const created = await service.create(request.actor, request.body);
        return createdReply(request, created, () => service.get(request.actor, created), `${base}/${created}`);
      },
    }),
    defineRoute({
      method: 'get',
      path: base,
      aliases: aliasesOf(''),
      permission: `${noun}_list`,
      summary: `List ${noun}s`,
      ...line(1),
      query: listQuerySchema(spec),
      response: z.array(options.row ?? options.read),
      handler: async (request) =>
        listReply(
          request.query,
          () => service.list(request.actor, request.query),
          () => service.count(request.actor, request.query),
        ),
    }),
    defineRoute({
      method: 'get',
      path: base + one,
      aliases: aliasesOf(one),
      permission: `${noun}_read`,
      summary: `Read a ${noun}`,
      ...line(2),
      params,
      response: options.read,
      handler: (request) => service.get(request.actor, idOf(request)),
    }),
    defineRoute({
      method: 'put',
      path: base + one,
      aliases: aliasesOf(one),
      permission: `${noun}_update`,
      summary: `Change a ${noun}: only the fields that are sent`,
      ...line(3),
      params,
      body: options.update,
      response: options.read,
      handler: (request) => service.update(request.actor, idOf(request), request.body),
    }),
    defineRoute({
      method: 'delete',
      path: base + one,
      aliases: aliasesOf(one),
      permission: `${noun}_delete`,
      summary: `Delete a ${noun}`,
      ...line(4),
      params,
      response: done,
      async handler(request) {
        await service.remove(request.actor, idOf(request));
        return true;
      },
    }),
  ];
}

/** A bare id; or 201 with the object for clients that ask by `Prefer: return=representation` (RFC 7240). */
export async function createdReply(
  request: RouteRequest<unknown, unknown, unknown>,
  id: number,
  read: () => Promise<unknown>,
  location: string,
): Promise<number | RouteReply> {
  const prefer = String(request.headers.prefer ?? '');
  if (!/\breturn=representation\b/i.test(prefer)) return id;
  return reply(201, await read(), { Location: `/api${location}`, 'Preference-Applied': 'return=representation' });
}

/** A bare array with `X-Total-Count`, or with `totalrows=1` the bare number (API section 7.1). */
export async function listReply(
  query: ListQuery,
  list: () => Promise<Page<object>>,
  count: () => Promise<{ total: number; exact: boolean }>,
): Promise<RouteReply> {
  if (query.totalrows === 1) {
    const counted = await count();
    return reply(200, counted.total, countHeaders(counted));
  }
  const page = await list();
  return reply(200, page.rows, countHeaders(page));
}

function countHeaders(counted: { total: number; exact: boolean }): Record<string, string> {
  return {
    'X-Total-Count': String(counted.total),
    ...(counted.exact ? {} : { 'X-Total-Count-Exact': 'false' }),
  };
}
