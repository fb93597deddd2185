import { type AnyRoute, defineRoute, IctError, type RouteRequest, z } from '@ictcore/contract';
import { type CrudOptions, createdReply, crudRoutes, done, newId } from '../../http/crud-routes';
import { flag, idParam, int } from '../../http/fields';
import { forceQuery } from '../message-schema';
import type { IncomingFile } from './media-files';
import type { DownloadOptions } from './media-message.service';

/** Files in one multipart request; their pages or sounds follow one another in that order. */
const MAX_FILES = 20;

/** What the routes need of a service. */
export interface MediaMessageRoutesService<Row extends object, Create, Update> {
  create(actor: RouteRequest['actor'], input: Create, files?: readonly IncomingFile[]): Promise<number>;
  get(actor: RouteRequest['actor'], id: number): Promise<Row>;
  update(actor: RouteRequest['actor'], id: number, input: Update, files?: readonly IncomingFile[]): Promise<Row>;
  remove(actor: RouteRequest['actor'], id: number, force?: boolean): Promise<void>;
  upload(
    actor: RouteRequest['actor'],
    id: number,
    files: readonly IncomingFile[],
    action: 'append' | 'replace',
  ): Promise<number>;
  download(
    actor: RouteRequest['actor'],
    id: number,
    options: DownloadOptions,
    wire: Pick<RouteRequest, 'headers' | 'signal'>,
  ): Promise<unknown>;
}

/** {@link mediaMessageRoutes} */
export interface MediaMessageRoutesOptions<Row extends object, Create, Update>
  extends Omit<CrudOptions<Row, Create, Update>, 'service'> {
  service: CrudOptions<Row, Create, Update>['service'] & MediaMessageRoutesService<Row, Create, Update>;
  /** Bytes one uploaded file may have. */
  maxBytes: number;
  /** Guide lines: create, list, read, update, delete, download. */
  guide: readonly [string, string, string, string, string, string];
  /** What `format` may be, for the documentation. */
  formats: string;
}

const CONVERSION_ERRORS = {
  411: 'The upload is empty',
  412: 'The file cannot be converted; the message says why',
  413: 'The file is too large, or what comes of it',
  415: 'This kind of file is not accepted, or is not what it says it is',
  423: 'A transmission is sending it',
};

/** S14 to S19 and S20 to S25: create and change as JSON or multipart, media as raw bytes or multipart, downloads. */
export function mediaMessageRoutes<Row extends object, Create, Update>(
  options: MediaMessageRoutesOptions<Row, Create, Update>,
): AnyRoute[] {
  const [create, list, read, update, remove] = options.guide;
  const crud = crudRoutes({ ...options, lines: [create, list, read, update, remove] });
  return [
    ...crud.filter((route) => route.method === 'get'),
    ...writeRoutes(options),
    ...mediaRoutes(options),
    downloadRoute(options),
  ];
}

function pathsOf(options: { spec: { key: string }; paths: readonly [string, ...string[]] }, tail: string) {
  const one = `/{${options.spec.key}}${tail}`;
  const [path, ...others] = options.paths;
  return { path: path + one, aliases: others.map((other) => ({ path: other + one })) };
}

function idOf(request: { params: unknown }, key: string): number {
  return (request.params as Record<string, number>)[key] as number;
}

function writeRoutes<Row extends object, Create, Update>(
  options: MediaMessageRoutesOptions<Row, Create, Update>,
): AnyRoute[] {
  const { spec, paths, service, guide } = options;
  const noun = spec.name;
  const [base, ...others] = paths;
  const params = z.object({ [spec.key]: idParam() });
  const upload = { maxBytes: options.maxBytes, maxFiles: MAX_FILES };
  return [
    defineRoute({
      method: 'post',
      path: base,
      aliases: others.map((path) => ({ path })),
      permission: `${noun}_create`,
      summary: `Create a ${noun}, with its file or without`,
      description: `Guide line ${guide[0]}. JSON, or multipart with the fields and one or more files; a file that is refused leaves nothing behind.`,
      body: options.create,
      upload,
      response: newId,
      errors: CONVERSION_ERRORS,
      async handler(request) {
        const created = await service.create(request.actor, request.body, request.files);
        return createdReply(request, created, () => service.get(request.actor, created), `${base}/${created}`);
      },
    }),
    defineRoute({
      method: 'put',
      ...pathsOf(options, ''),
      permission: `${noun}_update`,
      summary: `Change a ${noun}: only the fields that are sent`,
      description: `Guide line ${guide[3]}. As multipart the file replaces the one that is there.`,
      params,
      body: options.update,
      upload,
      response: options.read,
      errors: CONVERSION_ERRORS,
      handler: (request) => service.update(request.actor, idOf(request, spec.key), request.body, request.files),
    }),
    defineRoute({
      method: 'delete',
      ...pathsOf(options, ''),
      permission: `${noun}_delete`,
      summary: `Delete a ${noun} and its files`,
      description: `Guide line ${guide[4]}. Refused while a program with unfinished transmissions uses it.`,
      params,
      query: forceQuery,
      response: done,
      errors: { 423: 'A program still needs it; the message names the program' },
      async handler(request) {
        await service.remove(request.actor, idOf(request, spec.key), request.query.force === 1);
        return true as const;
      },
    }),
  ];
}

function mediaRoutes<Row extends object, Create, Update>(
  options: MediaMessageRoutesOptions<Row, Create, Update>,
): AnyRoute[] {
  const { spec, service } = options;
  const rule = {
    permission: `${spec.name}_create`,
    params: z.object({ [spec.key]: idParam() }),
    upload: { maxBytes: options.maxBytes, maxFiles: MAX_FILES, raw: true },
    response: newId,
    errors: CONVERSION_ERRORS,
    description:
      'The body is the file itself with its Content-Type (the name from Content-Disposition), or multipart with several. ' +
      'Answered when it is converted; if that takes long, before, and status tells (converting, ready, error).',
  };
  const handler = (action: 'append' | 'replace') => (request: RouteRequest<unknown, unknown, unknown>) =>
    service.upload(request.actor, idOf(request, spec.key), required(request.files), action);
  return [
    defineRoute({
      ...rule,
      method: 'put',
      ...pathsOf(options, '/media'),
      summary: `Replace the media of a ${spec.name}`,
      handler: handler('replace'),
    }),
    defineRoute({
      ...rule,
      method: 'post',
      ...pathsOf(options, '/media'),
      summary: `Add media behind those that a ${spec.name} has`,
      handler: handler('append'),
    }),
  ];
}

function downloadRoute<Row extends object, Create, Update>(
  options: MediaMessageRoutesOptions<Row, Create, Update>,
): AnyRoute {
  const { spec, service } = options;
  const canonical = pathsOf(options, '/download');
  const media = pathsOf(options, '/media');
  const query = z.object({
    format: z
      .string()
      .max(16)
      .transform((value) => value.trim().toLowerCase())
      .optional()
      .describe(options.formats),
    page: int(1, 1_000_000).optional().describe('Page of a preview, from 1'),
    width: int(16, 4000).optional().describe('Pixels across of a preview; default 800'),
    inline: flag().optional().describe('1: for showing rather than saving'),
  });
  return defineRoute({
    method: 'get',
    path: canonical.path,
    aliases: [...canonical.aliases, { path: media.path }, ...media.aliases],
    permission: `${spec.name}_read`,
    summary: `Download the media of a ${spec.name}`,
    description: `Guide line ${options.guide[5]}. ETag and Range are honoured. 404 while nothing was uploaded.`,
    params: z.object({ [spec.key]: idParam() }),
    query,
    errors: { 404: 'No such row, or nothing was uploaded yet', 416: 'The range is beyond the end' },
    handler: (request) => {
      const { format, page, width, inline } = request.query;
      return service.download(
        request.actor,
        idOf(request, spec.key),
        { format, page, width, inline: inline === 1 },
        request,
      );
    },
  });
}

function required(files: RouteRequest['files']): RouteRequest['files'] {
  if (files.length > 0) return files;
  throw new IctError('No file was sent: send it as the body with its own Content-Type, or as multipart/form-data', {
    code: 'UPLOAD_EMPTY',
    status: 411,
  });
}
