import { type AnyRoute, type Channel, defineRoute, z } from '@ictcore/contract';
import { listQuerySchema } from '../database/list-query';
import { createdReply, crudRoutes, listReply, newId } from '../http/crud-routes';
import { flag, idParam } from '../http/fields';
import { programCommon } from '../programs/program.schema';
import type { ProgramTransmissions } from './program-transmissions';
import { resultRead, resultSpec, spoolRead, spoolSpec } from './spool.schema';
import type { SpoolService } from './spool.service';
import { TRANSMISSION_STATES } from './states';
import { transmissionCreate, transmissionRead, transmissionSpec, transmissionUpdate } from './transmission.schema';
import type { TransmissionService } from './transmission.service';

const LISTS: Readonly<Record<string, Channel>> = { calls: 'voice', faxes: 'fax', smses: 'sms', emails: 'email' };
/** The collections under which the guide's sub-paths answer too (API section 0.3). */
const BASES = ['transmissions', ...Object.keys(LISTS)];

/** {@link BASES} as paths. */
export const TRANSMISSION_PATHS: readonly string[] = BASES.map((base) => `/${base}`);

const params = z.object({ transmission_id: idParam() });
const listQuery = z.intersection(listQuerySchema(transmissionSpec), z.object({ is_deleted: flag().optional() }));
const resultQuery = z.intersection(listQuerySchema(resultSpec), z.object({ all: flag().optional() }));

/** Verbs and paths that mean the same: `names` below each collection, by each of `methods`. */
function aliases(methods: readonly ('get' | 'post')[], names: readonly string[]) {
  const [canonical, ...others] = BASES.flatMap((base) =>
    names.flatMap((name) => methods.map((method) => ({ method, path: `/${base}/{transmission_id}/${name}` }))),
  );
  return { ...(canonical as { method: 'get' | 'post'; path: string }), aliases: others };
}

/** S60 to S71. */
export function transmissionRoutes(service: TransmissionService, spools: SpoolService): AnyRoute[] {
  return [...collectionRoutes(service), ...actionRoutes(service), ...reportRoutes(service, spools)];
}

function collectionRoutes(service: TransmissionService): AnyRoute[] {
  const crud = crudRoutes({
    spec: transmissionSpec,
    paths: ['/transmissions'],
    service,
    create: transmissionCreate,
    update: transmissionUpdate,
    read: transmissionRead,
    lines: ['S60', 'S61', 'S62', '', 'S63'],
  }).filter((route) => !(route.method === 'get' && route.path === '/transmissions'));
  const list = (name: string, channel?: Channel) =>
    defineRoute({
      method: 'get',
      path: `/${name}`,
      permission: 'transmission_list',
      summary: `List ${channel ? `transmissions of channel ${channel}` : 'transmissions'}`,
      ...(name === 'transmissions' && { description: 'Guide line S61' }),
      query: listQuery,
      response: z.array(transmissionRead),
      handler: ({ actor, query }) =>
        listReply(
          query,
          () => service.list(actor, query, channel, query.is_deleted),
          () => service.count(actor, query, channel, query.is_deleted),
        ),
    });
  return [...crud, list('transmissions'), ...Object.entries(LISTS).map(([name, channel]) => list(name, channel))];
}

function actionRoutes(service: TransmissionService): AnyRoute[] {
  return [
    defineRoute({
      ...aliases(['post', 'get'], ['send', 'call', 'dial', 'retry']),
      permission: 'transmission_send',
      summary: 'Begin an attempt',
      description: 'Guide lines S64, S65. Answers the spool id of the new attempt at once.',
      params,
      response: newId.describe('Id of the attempt (spool)'),
      handler: (request) => service.send(request.actor, request.params.transmission_id),
    }),
    defineRoute({
      ...aliases(['post', 'get'], ['clone']),
      permission: ['transmission_read', 'transmission_create'],
      summary: 'Make the same transmission once more, not sent',
      description: 'Guide line S66',
      params,
      response: newId,
      async handler(request) {
        const id = await service.clone(request.actor, request.params.transmission_id);
        return createdReply(request, id, () => service.get(request.actor, id), `/transmissions/${id}`);
      },
    }),
  ];
}

function reportRoutes(service: TransmissionService, spools: SpoolService): AnyRoute[] {
  return [
    defineRoute({
      ...aliases(['get'], ['status']),
      permission: 'transmission_read',
      summary: 'Status of a transmission, as a bare string',
      description: 'Guide line S69. `pending_retry` means that another attempt will follow: keep polling.',
      params,
      response: z.enum(TRANSMISSION_STATES),
      handler: async (request) => (await service.get(request.actor, request.params.transmission_id)).status,
    }),
    defineRoute({
      ...aliases(['get'], ['detail', 'spools', 'logs']),
      permission: ['transmission_read', 'spool_read'],
      summary: 'Attempts of a transmission, oldest first',
      description: 'Guide line S70',
      params,
      query: listQuerySchema(spoolSpec),
      response: z.array(spoolRead),
      handler: async ({ actor, params: { transmission_id }, query }) =>
        (await spools.ofTransmission(actor, transmission_id, query)).rows,
    }),
    defineRoute({
      ...aliases(['get'], ['result', 'results']),
      permission: ['transmission_read', 'spool_read', 'result_read'],
      summary: 'Facts of the last attempt (all=1: of all attempts)',
      description: 'Guide line S71',
      params,
      query: resultQuery,
      response: z.array(resultRead),
      handler: async ({ actor, params: { transmission_id }, query }) =>
        (await spools.resultsOfTransmission(actor, transmission_id, query, query.all === 1)).rows,
    }),
  ];
}

/** S72, S73 and the single read. */
export function spoolRoutes(spools: SpoolService): AnyRoute[] {
  const spoolParams = z.object({ spool_id: idParam() });
  return [
    defineRoute({
      method: 'get',
      path: '/spools/{spool_id}',
      permission: 'spool_read',
      summary: 'Read an attempt',
      params: spoolParams,
      response: spoolRead,
      handler: (request) => spools.get(request.actor, request.params.spool_id),
    }),
    defineRoute({
      method: 'get',
      path: '/spools/{spool_id}/status',
      permission: 'spool_read',
      summary: 'Status of an attempt, as a bare string',
      description: 'Guide line S72',
      params: spoolParams,
      response: spoolRead.shape.status,
      handler: async (request) => (await spools.get(request.actor, request.params.spool_id)).status,
    }),
    defineRoute({
      method: 'get',
      path: '/spools/{spool_id}/result',
      aliases: [{ path: '/spools/{spool_id}/results' }],
      permission: ['spool_read', 'result_read'],
      summary: 'Facts of an attempt',
      description: 'Guide line S73',
      params: spoolParams,
      query: listQuerySchema(resultSpec),
      response: z.array(resultRead),
      handler: async ({ actor, params: { spool_id }, query }) =>
        (await spools.resultsOfSpool(actor, spool_id, query)).rows,
    }),
  ];
}

const programBody = z.looseObject({
  ...programCommon.shape,
  program_data: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('Parameters of a new program; only with a type in the path'),
  transmission_data: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('The transmission; may also stand flat in the body'),
});

/** S41, S42: transmissions below a program, which may be an id or a type. */
export function programTransmissionRoutes(
  service: ProgramTransmissions,
  transmissions: TransmissionService,
): AnyRoute[] {
  return [
    defineRoute({
      method: 'post',
      path: '/programs/{program_id}/transmissions',
      permission: ['program_create', 'transmission_create'],
      summary: 'Create a transmission of a program, or of a new program of the type in the path',
      description: 'Guide line S41',
      params: z.object({
        program_id: z.string().regex(/^(\d{1,15}|[a-z][a-z0-9_]*)$/, 'must be a whole number or a type'),
      }),
      body: programBody,
      response: newId,
      async handler(request) {
        const id = await service.create(request.actor, request.params.program_id, request.body);
        return createdReply(request, id, () => transmissions.get(request.actor, id), `/transmissions/${id}`);
      },
    }),
    defineRoute({
      method: 'get',
      path: '/programs/{program_id}/transmissions',
      permission: 'transmission_list',
      summary: 'Transmissions of a program',
      description: 'Guide line S42',
      params: z.object({ program_id: idParam() }),
      query: listQuery,
      response: z.array(transmissionRead),
      async handler({ actor, params: { program_id }, query }) {
        await service.requireProgram(actor, program_id);
        const narrowed = { ...query, program_id: String(program_id) };
        return listReply(
          query,
          () => transmissions.list(actor, narrowed),
          () => transmissions.count(actor, narrowed),
        );
      },
    }),
  ];
}
