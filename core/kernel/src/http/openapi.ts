import { type AnyRoute, AUTHENTICATED, PUBLIC, type UploadRule } from '@ictcore/contract';
import { operationIds } from './openapi-names';
import { asParameter, type JsonSchema, SchemaCollector } from './openapi-schema';

/** What the document says of the whole API. */
export interface OpenApiInfo {
  title: string;
  version: string;
  /** CommonMark; put before what this module says of credentials, errors and lists. */
  description?: string;
}

/** An OpenAPI 3.1 document. */
export interface OpenApiDocument {
  openapi: string;
  info: OpenApiInfo;
  servers: { url: string; description: string }[];
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
  components: Record<string, Record<string, unknown>>;
  security: Record<string, string[]>[];
}

type Operation = Record<string, unknown>;

const ABOUT = `
**Credentials**: user name and password (Basic), or a token from \`POST /authenticate\` (Bearer).

**Answers**: a create answers the bare new id with status 200 (with \`Prefer: return=representation\` status 201 and the
object), a list a bare array, a delete \`true\`. Times are Unix seconds (UTC), flags 0 or 1.

**Changes**: PUT changes the fields that are sent; \`null\` or \`""\` clears one. Unknown and read-only fields are ignored.

**Lists** give 5000 rows at most; \`X-Total-Count\` says how many there are (with \`X-Total-Count-Exact: false\`: at least).

**Errors** have one shape, \`Error\`. Rows of others look as if they did not exist (404).`;

/** Statuses that many operations answer, with their component's name. */
const COMMON_ERRORS: Readonly<Record<number, { name: string; description: string }>> = {
  400: { name: 'BadRequest', description: 'The request cannot be read: malformed JSON, an id that is no number' },
  401: { name: 'Unauthorized', description: 'No credentials, or wrong ones' },
  403: { name: 'Forbidden', description: 'A permission is missing; the message names it' },
  404: { name: 'NotFound', description: 'There is no such row, or it is not yours' },
  409: { name: 'Conflict', description: 'It would clash with something that is already there' },
  411: { name: 'UploadEmpty', description: 'The upload is empty' },
  412: { name: 'ValidationFailed', description: 'A field is wrong; details name each one' },
  413: { name: 'TooLarge', description: 'The body or a file is too large' },
  415: { name: 'MediaType', description: 'This media type is not taken here' },
  423: { name: 'WrongState', description: 'The row is in a state that does not allow this, or is in use' },
  429: { name: 'TooMany', description: 'Too many attempts; Retry-After says when to try again' },
  500: { name: 'Internal', description: 'Something went wrong on the server; its log has more under the request id' },
  503: { name: 'Unavailable', description: 'The database does not answer; try again in a moment' },
};

const ERROR_SCHEMA: JsonSchema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message', 'name', 'request_id'],
      properties: {
        code: { type: 'integer', description: 'The HTTP status' },
        message: { type: 'string', description: 'For people' },
        name: { type: 'string', description: 'For programs; stable', examples: ['VALIDATION_FAILED'] },
        request_id: { type: 'string', description: 'Finds the request in the server log' },
        details: {
          type: 'array',
          items: {
            type: 'object',
            required: ['field', 'message', 'rule'],
            properties: { field: { type: 'string' }, message: { type: 'string' }, rule: { type: 'string' } },
          },
        },
      },
    },
  },
};

/** Some operations answer dozens of old spellings; a reader needs to see that, not to scroll past it. */
const MAX_ALIASES_SHOWN = 6;

const BINARY: JsonSchema = { type: 'string', format: 'binary' };

/**
 * The OpenAPI 3.1 document of these routes. Documented are the canonical paths; each operation names its aliases in the
 * description and as `x-aliases`, and its permissions in the description and as `x-permission`.
 */
export function buildOpenApi(routes: readonly AnyRoute[], info: OpenApiInfo): OpenApiDocument {
  const schemas = new SchemaCollector();
  const ids = operationIds(routes);
  const paths: OpenApiDocument['paths'] = {};
  for (const route of routes) {
    const at = paths[route.path] ?? {};
    paths[route.path] = { ...at, [route.method]: operationOf(route, ids.get(route) as string, schemas) };
  }
  return {
    openapi: '3.1.0',
    info: { ...info, description: `${info.description ?? ''}\n${ABOUT}`.trim() },
    servers: [{ url: '/api', description: 'This server; the same paths also answer without /api' }],
    tags: [...new Set(routes.map(tagOf))].sort().map((name) => ({ name })),
    paths,
    components: {
      schemas: { Error: ERROR_SCHEMA, ...schemas.components },
      responses: Object.fromEntries(
        Object.values(COMMON_ERRORS).map(({ name, description }) => [name, errorResponse(description)]),
      ),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'Token of POST /authenticate' },
        basic: { type: 'http', scheme: 'basic', description: 'User name (or e-mail, or user id) and password' },
      },
    },
    security: [{ bearer: [] }, { basic: [] }],
  };
}

function operationOf(route: AnyRoute, operationId: string, schemas: SchemaCollector): Operation {
  const permissions = permissionsOf(route);
  const aliases = aliasesOf(route);
  const body = requestBodyOf(route, schemas);
  return {
    operationId,
    summary: route.summary,
    description: descriptionOf(route, permissions, aliases),
    tags: [tagOf(route)],
    ...(permissions.length > 0 && { 'x-permission': permissions }),
    ...(aliases.length > 0 && { 'x-aliases': aliases }),
    ...(route.permission === PUBLIC && { security: [] }),
    parameters: [...pathParameters(route, schemas), ...queryParameters(route, schemas)],
    ...(body && { requestBody: body }),
    responses: { 200: successOf(route, schemas), ...errorsOf(route) },
  };
}

function tagOf(route: AnyRoute): string {
  return route.tag ?? route.path.split('/')[1] ?? '';
}

function permissionsOf(route: AnyRoute): string[] {
  return [route.permission].flat().filter((name) => name !== PUBLIC && name !== AUTHENTICATED);
}

function aliasesOf(route: AnyRoute): string[] {
  return (route.aliases ?? []).map(
    ({ method, path }) => `${(method ?? route.method).toUpperCase()} ${path ?? route.path}`,
  );
}

function descriptionOf(route: AnyRoute, permissions: readonly string[], aliases: readonly string[]): string {
  const code = (texts: readonly string[]) => texts.map((text) => `\`${text}\``).join(', ');
  const access =
    route.permission === PUBLIC
      ? 'Needs no credentials.'
      : permissions.length === 0
        ? 'Needs credentials but no permission.'
        : `Needs the permission${permissions.length > 1 ? 's' : ''} ${code(permissions)}.`;
  const rest = aliases.length - MAX_ALIASES_SHOWN;
  const also =
    aliases.length > 0 &&
    `Also answers ${code(aliases.slice(0, MAX_ALIASES_SHOWN))}${rest > 0 ? ` and ${rest} more (x-aliases)` : ''}.`;
  return [route.description, access, also].filter(Boolean).join('\n\n');
}

function pathParameters(route: AnyRoute, schemas: SchemaCollector): JsonSchema[] {
  const { properties } = objectOf(route.params, schemas);
  return [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) =>
    parameter(name, 'path', true, properties[name] ?? { type: 'string' }),
  );
}

function queryParameters(route: AnyRoute, schemas: SchemaCollector): JsonSchema[] {
  const { properties, required } = objectOf(route.query, schemas);
  return Object.entries(properties).map(([name, schema]) => parameter(name, 'query', required.includes(name), schema));
}

function parameter(name: string, place: 'path' | 'query', required: boolean, schema: JsonSchema): JsonSchema {
  const { description, ...rest } = asParameter(schema);
  return { name, in: place, required, ...(description !== undefined && { description }), schema: rest };
}

/** Properties of an object schema, also of one behind a reference. */
function objectOf(
  schema: unknown,
  schemas: SchemaCollector,
): { properties: Record<string, JsonSchema>; required: readonly string[] } {
  if (schema === undefined) return { properties: {}, required: [] };
  const converted = schemas.convert(schema, 'input');
  const name = typeof converted.$ref === 'string' ? converted.$ref.split('/').pop() : undefined;
  const found = (name === undefined ? converted : schemas.components[name]) ?? {};
  return {
    properties: (found.properties ?? {}) as Record<string, JsonSchema>,
    required: (found.required ?? []) as string[],
  };
}

function requestBodyOf(route: AnyRoute, schemas: SchemaCollector): JsonSchema | undefined {
  const fields = route.body === undefined ? undefined : schemas.convert(route.body, 'input');
  const content: Record<string, { schema: JsonSchema }> = {};
  if (fields) {
    content['application/json'] = { schema: fields };
    if (!route.upload) content['application/x-www-form-urlencoded'] = { schema: fields };
  }
  if (route.upload) {
    content['multipart/form-data'] = { schema: multipartOf(route.upload, fields) };
    if (route.upload.raw) content['*/*'] = { schema: BINARY };
  }
  if (Object.keys(content).length === 0) return undefined;
  const limit = route.upload && `Files of ${route.upload.maxBytes} bytes at most each`;
  return {
    required: route.upload !== undefined || needsFields(fields, schemas),
    ...(limit && { description: limit }),
    content,
  };
}

function multipartOf(upload: UploadRule, fields: JsonSchema | undefined): JsonSchema {
  const most = upload.maxFiles ?? 1;
  const file = most > 1 ? { type: 'array', items: BINARY, maxItems: most } : BINARY;
  const files: JsonSchema = { type: 'object', properties: { file }, description: 'File parts may have any name' };
  return fields ? { allOf: [fields, files] } : files;
}

/** A body of optional fields alone may be left out. */
function needsFields(fields: JsonSchema | undefined, schemas: SchemaCollector): boolean {
  if (fields === undefined) return false;
  const name = typeof fields.$ref === 'string' ? fields.$ref.split('/').pop() : undefined;
  const found = (name === undefined ? fields : schemas.components[name]) ?? {};
  return found.type !== 'object' || ((found.required ?? []) as string[]).length > 0;
}

function successOf(route: AnyRoute, schemas: SchemaCollector): JsonSchema {
  if (route.response === undefined) {
    return { description: 'Done', ...(route.method === 'get' && { content: { '*/*': { schema: BINARY } } }) };
  }
  const schema = schemas.convert(route.response, 'output');
  const counted = schema.type === 'array' && route.query !== undefined;
  return {
    description: 'Done',
    ...(counted && {
      headers: { 'X-Total-Count': { schema: { type: 'integer' }, description: 'Rows that match, on all pages' } },
    }),
    content: { 'application/json': { schema } },
  };
}

function errorsOf(route: AnyRoute): JsonSchema {
  const statuses = new Set<number>([500, 503]);
  if (route.permission !== PUBLIC) statuses.add(401);
  if (permissionsOf(route).length > 0) statuses.add(403);
  if (route.path.includes('{')) for (const status of [400, 404]) statuses.add(status);
  if (route.query) statuses.add(412);
  if (route.body) for (const status of [400, 412, 413, 415]) statuses.add(status);
  if (route.upload) for (const status of [411, 413, 415]) statuses.add(status);
  const common = [...statuses].map((status) => [
    status,
    { $ref: `#/components/responses/${COMMON_ERRORS[status]?.name}` },
  ]);
  const own = Object.entries(route.errors ?? {}).map(([status, text]) => [status, errorResponse(text)]);
  return Object.fromEntries([...common, ...own]);
}

function errorResponse(description: string): JsonSchema {
  return { description, content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } } };
}
