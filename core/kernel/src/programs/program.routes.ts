import { type AnyProgram, type AnyRoute, badRequest, defineRoute, z } from '@ictcore/contract';
import { listQuerySchema } from '../database/list-query';
import { createdReply, done, listReply, newId } from '../http/crud-routes';
import { flag, idParam } from '../http/fields';
import { documentedAs } from '../http/openapi-schema';
import { programCommon, programListRow, programRead, programSpec, schemeRead } from './program.schema';
import type { ProgramService } from './program.service';

const params = z.object({ program_id: idParam() });
const anyBody = z.record(z.string(), z.unknown());

/** S37 to S40: what every program has in common. */
export function programRoutes(service: ProgramService): AnyRoute[] {
  const query = z.intersection(listQuerySchema(programSpec), z.object({ all: flag().optional() }));
  return [
    defineRoute({
      method: 'post',
      path: '/programs',
      permission: 'program_create',
      summary: 'Create a program of the type named in the body',
      description: 'Guide line S37. {"type": "sendsms", ...} is the same as POST /programs/sendsms.',
      body: z
        .looseObject({ type: z.unknown().optional().describe('One of the registered program types') })
        .meta({ id: 'ProgramCreate' }),
      response: newId,
      async handler(request) {
        const { type, ...body } = request.body;
        const id = await service.create(request.actor, type, body);
        return createdReply(request, id, () => service.get(request.actor, id), `/programs/${id}`);
      },
    }),
    defineRoute({
      method: 'get',
      path: '/programs',
      permission: 'program_list',
      summary: 'List programs',
      description: 'Guide line S38. Programs that others have made for themselves (parent_id) are hidden unless all=1.',
      query,
      response: z.array(programListRow),
      handler: (request) =>
        listReply(
          request.query,
          () => service.list(request.actor, request.query, request.query.all === 1),
          () => service.count(request.actor, request.query, request.query.all === 1),
        ),
    }),
    defineRoute({
      method: 'get',
      path: '/programs/{program_id}',
      permission: 'program_read',
      summary: 'Read a program; with a type in place of the id, list the programs of that type',
      description: 'Guide line S39.',
      params: z.object({
        program_id: z.string().regex(/^(\d{1,15}|[a-z][a-z0-9_]*)$/, 'must be a whole number or a type'),
      }),
      query,
      response: z.union([programRead, z.array(programListRow)]),
      handler(request) {
        const id = request.params.program_id;
        if (/^\d+$/.test(id)) return service.get(request.actor, Number(id));
        if (!request.actor.can('program_list')) throw badRequest('program_id: must be a whole number');
        return listReply(
          request.query,
          () => service.list(request.actor, request.query, true, id),
          () => service.count(request.actor, request.query, true, id),
        );
      },
    }),
    defineRoute({
      method: 'post',
      path: '/programs/{program_name}',
      permission: 'program_create',
      summary: 'Refuses a program type that no plugin brings, naming those that are there',
      params: z.object({ program_name: z.string() }),
      response: newId,
      handler: (request) => service.refuseType(request.params.program_name),
    }),
    defineRoute({
      method: 'put',
      path: '/programs/{program_id}',
      permission: 'program_update',
      summary: 'Change the parameters of a program',
      description: '423 while a transmission is being processed with it.',
      params,
      body: anyBody,
      response: programRead,
      handler: (request) => service.update(request.actor, request.params.program_id, request.body),
    }),
    defineRoute({
      method: 'delete',
      path: '/programs/{program_id}',
      permission: 'program_delete',
      summary: 'Delete a program',
      description: 'Guide line S40. 423 while transmissions that use it are not finished.',
      params,
      response: done,
      async handler(request) {
        await service.remove(request.actor, request.params.program_id);
        return true as const;
      },
    }),
    defineRoute({
      method: 'get',
      path: '/programs/{program_id}/scheme',
      permission: 'program_read',
      summary: 'The steps that a program runs',
      params,
      response: schemeRead,
      handler: (request) => service.scheme(request.actor, request.params.program_id),
    }),
  ];
}

/** S43 to S51: `POST /programs/{type}` for each type that a plugin brings. */
export function programTypeRoute(program: AnyProgram, service: ProgramService): AnyRoute {
  return defineRoute({
    method: 'post',
    path: `/programs/${program.type}`,
    permission: 'program_create',
    summary: `Create a ${program.type} program`,
    description: program.description,
    // The service validates within its transaction; validating here too would parse what is parsed already.
    body: documentedAs(
      z.record(z.string(), z.unknown()),
      z.intersection(programCommon, program.parameters as z.ZodType),
    ),
    response: newId,
    async handler(request) {
      const id = await service.create(request.actor, program.type, request.body);
      return createdReply(request, id, () => service.get(request.actor, id), `/programs/${id}`);
    },
  });
}
