import 'reflect-metadata';
import { execFile } from 'node:child_process';
import { type AnyRoute, AUTHENTICATED, defineRoute, type Logger, PUBLIC, z } from '@ictcore/contract';
import { container as root } from 'tsyringe';
import { configSchema } from '../boot/config';
import { CONFIG, LOG } from '../boot/injection';
import { MODELS, MODULES } from '../boot/modules';
import { StagedRegistry } from '../boot/registry';
import { SecretBox } from '../boot/secrets';
import { Database } from '../database/database';
import { systemRoutes } from '../system';
import { type TestKernelDatabase, testDatabase } from '../testing/test-database';
import { flag, idParam, nullableText, requiredText, rowId } from './fields';
import { buildOpenApi, type OpenApiDocument } from './openapi';

const silent = { debug() {}, info() {}, warn() {}, error() {} } as unknown as Logger;
const info = { title: 'ICTCore', version: '1.2.3' };

/** The validator is an ECMAScript module, which jest does not load: it runs in a process of its own. */
function validate(document: OpenApiDocument): Promise<{ valid: boolean; errors?: unknown }> {
  const script = `
    import { Validator } from '@seriousme/openapi-schema-validator';
    let text = '';
    for await (const chunk of process.stdin) text += chunk;
    const validator = new Validator();
    const result = await validator.validate(JSON.parse(text));
    process.stdout.write(JSON.stringify({ ...result, version: validator.version }));`;
  return new Promise((resolve, reject) => {
    const options = { cwd: __dirname, timeout: 60_000, maxBuffer: 50_000_000 };
    const child = execFile(process.execPath, ['--input-type=module', '-e', script], options, (error, out) =>
      error ? reject(error) : resolve(JSON.parse(out)),
    );
    child.stdin?.end(JSON.stringify(document));
  });
}

const handler = () => true as never;
const gadget = z.object({ gadget_id: z.int(), made: z.int() }).meta({ id: 'Gadget' });
const gadgetCreate = z
  .object({
    name: requiredText(64).describe('Shown to users'),
    note: nullableText(10).optional(),
    on: flag().default(1),
    part: rowId(),
    key: z.string().meta({ ictcoreSecret: true, writeOnly: true }),
  })
  .meta({ id: 'GadgetCreate' });
const SAMPLE: AnyRoute[] = [
  defineRoute({
    method: 'post',
    path: '/gadgets',
    aliases: [{ path: '/gizmos' }, { method: 'put' }],
    permission: ['gadget_create', 'part_read'],
    summary: 'Create a gadget',
    description: 'Guide line X1',
    body: gadgetCreate,
    response: z.int(),
    errors: { 423: 'The factory is closed' },
    handler,
  }),
  defineRoute({
    method: 'get',
    path: '/gadgets',
    permission: AUTHENTICATED,
    summary: 'List gadgets',
    query: z.object({
      limit: z
        .string()
        .regex(/^\d{1,10}$/)
        .transform(Number)
        .optional()
        .describe('At most'),
      exact: z.enum(['0', '1', 'true', 'false']).optional(),
      name: z.string(),
    }),
    response: z.array(gadget),
    handler,
  }),
  defineRoute({
    method: 'get',
    path: '/gadgets/{gadget_id}',
    permission: PUBLIC,
    summary: 'Read',
    params: z.object({ gadget_id: idParam() }),
    response: gadget,
    handler,
  }),
  defineRoute({
    method: 'put',
    path: '/gadgets/{gadget_id}/media/{n}',
    permission: 'gadget_update',
    summary: 'Upload',
    params: z.object({ gadget_id: idParam(), n: idParam() }),
    upload: { maxBytes: 1000, maxFiles: 3, raw: true },
    handler,
  }),
];

describe('buildOpenApi', () => {
  const document = buildOpenApi(SAMPLE, info);
  // biome-ignore lint/suspicious/noExplicitAny: a document is looked into at will
  const at = (path: string, method: string): any => document.paths[path]?.[method];

  test('is valid OpenAPI 3.1', async () => {
    expect(await validate(document)).toMatchObject({ valid: true, version: '3.1' });
  });

  test('the validator does find faults', async () => {
    const broken = structuredClone(document);
    (broken.paths['/gadgets'] as never as { get: { responses: unknown } }).get.responses = 7;
    expect(await validate(broken)).toMatchObject({ valid: false });
  });

  test('input fields show their real types, and required is what must be sent', () => {
    expect(at('/gadgets', 'post').requestBody).toEqual({
      required: true,
      content: {
        'application/json': { schema: { $ref: '#/components/schemas/GadgetCreate' } },
        'application/x-www-form-urlencoded': { schema: { $ref: '#/components/schemas/GadgetCreate' } },
      },
    });
    expect(document.components.schemas?.GadgetCreate).toMatchObject({
      type: 'object',
      required: ['name', 'part', 'key'],
      properties: {
        name: { type: 'string', maxLength: 64, description: 'Shown to users' },
        note: { anyOf: [{ type: 'string', maxLength: 10 }, { type: 'null' }] },
        on: { type: 'integer', enum: [0, 1], default: 1 },
        part: { type: 'integer', minimum: 1 },
        key: { type: 'string', writeOnly: true },
      },
    });
    expect(JSON.stringify(document)).not.toContain('ictcore');
  });

  test('answers, without promising that there will never be more fields', () => {
    expect(at('/gadgets', 'get').responses[200]).toMatchObject({
      headers: { 'X-Total-Count': {} },
      content: { 'application/json': { schema: { type: 'array', items: { $ref: '#/components/schemas/Gadget' } } } },
    });
    expect(document.components.schemas?.Gadget).not.toHaveProperty('additionalProperties');
  });

  test('parameters as what their text stands for', () => {
    expect(at('/gadgets', 'get').parameters).toEqual([
      { name: 'limit', in: 'query', required: false, description: 'At most', schema: { type: 'integer', minimum: 0 } },
      { name: 'exact', in: 'query', required: false, schema: { type: 'integer', enum: [0, 1] } },
      { name: 'name', in: 'query', required: true, schema: { type: 'string' } },
    ]);
    expect(at('/gadgets/{gadget_id}/media/{n}', 'put').parameters).toEqual([
      { name: 'gadget_id', in: 'path', required: true, schema: { type: 'integer' } },
      { name: 'n', in: 'path', required: true, schema: { type: 'integer' } },
    ]);
  });

  test('permissions, aliases, credentials', () => {
    const post = at('/gadgets', 'post');
    expect(post).toMatchObject({
      'x-permission': ['gadget_create', 'part_read'],
      'x-aliases': ['POST /gizmos', 'PUT /gadgets'],
      tags: ['gadgets'],
    });
    expect(post.description).toBe(
      'Guide line X1\n\nNeeds the permissions `gadget_create`, `part_read`.\n\nAlso answers `POST /gizmos`, `PUT /gadgets`.',
    );
    expect(post).not.toHaveProperty('security');
    expect(at('/gadgets/{gadget_id}', 'get').security).toEqual([]);
    expect(at('/gadgets', 'get').description).toContain('no permission');
    expect(document.security).toEqual([{ bearer: [] }, { basic: [] }]);
  });

  test('of many aliases the description shows a few, x-aliases all', () => {
    const aliases = Array.from({ length: 9 }, (_, n) => ({ path: `/old${n}` }));
    const many = buildOpenApi([{ ...(SAMPLE[0] as AnyRoute), aliases }], info).paths['/gadgets']?.post;
    expect(many?.description).toMatch(/`POST \/old5` and 3 more \(x-aliases\)\.$/);
    expect(many?.['x-aliases']).toHaveLength(9);
  });

  test('errors: those that can happen, the own ones in their own words', () => {
    expect(Object.keys(at('/gadgets', 'post').responses)).toEqual([
      '200',
      '400',
      '401',
      '403',
      '412',
      '413',
      '415',
      '423',
      '500',
      '503',
    ]);
    expect(at('/gadgets', 'post').responses[423].description).toBe('The factory is closed');
    expect(at('/gadgets/{gadget_id}', 'get').responses).not.toHaveProperty('401');
    expect(document.components.responses?.NotFound).toMatchObject({
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
    });
  });

  test('uploads: the whole body or multipart', () => {
    expect(at('/gadgets/{gadget_id}/media/{n}', 'put').requestBody).toMatchObject({
      required: true,
      content: {
        '*/*': { schema: { type: 'string', format: 'binary' } },
        'multipart/form-data': { schema: { properties: { file: { type: 'array', maxItems: 3 } } } },
      },
    });
  });

  test('readable operation ids', () => {
    const ids = Object.values(document.paths).flatMap((path) => Object.values(path).map((one) => one.operationId));
    expect(ids).toEqual(['createGadget', 'listGadgets', 'getGadget', 'putGadgetMediaByN']);
  });

  test('two schemas with one id both stay; one that cannot be shown does not break the rest', async () => {
    const route = (path: string, response: unknown) =>
      ({ method: 'get', path, permission: PUBLIC, summary: 's', response, handler }) as AnyRoute;
    const one = z.object({ a: z.int() });
    const two = z.object({ b: z.int() });
    const both = buildOpenApi(
      [
        route('/a', one.meta({ id: 'SameName' })),
        route('/b', two.meta({ id: 'SameName' })),
        route('/c', { _zod: { def: { type: 'nonsense' } } }),
      ],
      info,
    );
    expect(Object.keys(both.components.schemas ?? {}).filter((name) => name.startsWith('SameName')).length).toBe(2);
    expect(JSON.stringify(both.paths['/c'])).toContain('cannot be shown');
    expect((await validate(both)).valid).toBe(true);
  });
});

describe('the document of the kernel', () => {
  let db: TestKernelDatabase;
  let routes: AnyRoute[];
  let document: OpenApiDocument;

  beforeAll(async () => {
    db = await testDatabase(MODELS);
    const container = root.createChildContainer();
    container.registerInstance(Database, db.database);
    container.registerInstance(SecretBox, new SecretBox(Buffer.alloc(32)));
    container.register(CONFIG, { useValue: configSchema.parse({}) });
    container.register(LOG, { useValue: silent });
    const fail = (problem: Error) => {
      throw problem;
    };
    routes = MODULES.flatMap((module) => {
      const registry = new StagedRegistry(module.name, fail);
      module.setup(registry, container);
      return registry.contributions.routes;
    });
    routes.push(
      ...systemRoutes({
        database: db.database,
        version: '0',
        role: 'all',
        plugins: () => [],
        engineRunning: () => true,
        startedAt: 0,
      }),
      ...MODULES.flatMap((module) => module.lateRoutes?.(container) ?? []),
    );
    document = buildOpenApi(routes, info);
  });
  afterAll(() => db.close());

  test('is valid OpenAPI 3.1', async () => {
    expect(await validate(document)).toMatchObject({ valid: true, version: '3.1' });
  });

  test('every route is in it, under its canonical path, with its permission', () => {
    expect(routes.length).toBeGreaterThan(60);
    const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(documented.sort()).toEqual(routes.map((route) => `${route.method} ${route.path}`).sort());
    for (const route of routes) {
      const operation = document.paths[route.path]?.[route.method];
      const needed = [route.permission].flat().filter((name) => !name.startsWith('@'));
      expect(operation?.['x-permission'] ?? []).toEqual(needed);
    }
  });

  test('operation ids are unique and readable', () => {
    const ids = Object.values(document.paths).flatMap((path) =>
      Object.values(path).map((one) => String(one.operationId)),
    );
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z]+[A-Za-z0-9]*$/);
    expect(ids).toEqual(
      expect.arrayContaining([
        'createContact',
        'listContacts',
        'getContact',
        'updateContact',
        'deleteTemplate',
        'postTextPreview',
      ]),
    );
  });

  test('no schema is lost on the way, no body has untyped fields', () => {
    const text = JSON.stringify(document);
    expect(text).not.toContain('cannot be shown');
    expect(text).not.toContain('$defs');
    expect(document.components.schemas?.ContactCreate).toMatchObject({
      properties: { phone: { anyOf: [{ type: 'string' }, { type: 'null' }] } },
    });
    for (const name of ['TextCreate', 'TemplateCreate', 'ContactCreate']) {
      const schemas = document.components.schemas as Record<string, { properties: Record<string, object> }>;
      const properties = schemas[name]?.properties ?? {};
      expect(Object.keys(properties).length).toBeGreaterThan(3);
      for (const [field, schema] of Object.entries(properties)) {
        expect([field, 'type' in schema || 'anyOf' in schema]).toEqual([field, true]);
      }
    }
  });

  test('is made in a moment', () => {
    const start = performance.now();
    buildOpenApi(routes, info);
    expect(performance.now() - start).toBeLessThan(2_000);
  });
});
