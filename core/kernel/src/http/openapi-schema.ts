import { z } from '@ictcore/contract';

/** A JSON Schema (draft 2020-12), which is what OpenAPI 3.1 uses. */
export type JsonSchema = Record<string, unknown>;

/** Whether a schema describes what clients send or what they get. */
export type Io = 'input' | 'output';

/** Key of `.meta()`: the schema to show in place of one that takes anything because its handler validates. */
const DOCUMENTED_AS = 'ictcoreDocumentedAs';

/** Shows `shown` in the documentation for a schema that takes anything because the handler validates. */
export function documentedAs<T extends z.ZodType>(schema: T, shown: z.ZodType): T {
  return schema.meta({ [DOCUMENTED_AS]: shown }) as T;
}

const DEFINITIONS = '#/$defs/';
const COMPONENTS = '#/components/schemas/';

/**
 * Turns zod schemas into JSON Schema, collecting those with an id (`.meta({ id })`) as components.
 *
 * Input fields are preprocessed (http/fields.ts); zod shows what comes after the preprocessing, which is what a client
 * should send, and takes a field as required by whether its input may be absent.
 */
export class SchemaCollector {
  readonly components: Record<string, JsonSchema> = {};

  /** The schema, by reference where it has an id. One that cannot be expressed becomes an open one that says so. */
  convert(schema: unknown, io: Io): JsonSchema {
    const instead = (schema as Partial<z.ZodType>).meta?.()?.[DOCUMENTED_AS];
    if (instead !== undefined) return this.convert(instead, io);
    let converted: JsonSchema;
    try {
      converted = z.toJSONSchema(schema as z.ZodType, {
        target: 'draft-2020-12',
        io,
        unrepresentable: 'any',
        override: ({ zodSchema, jsonSchema }) => tidy(zodSchema, jsonSchema as JsonSchema, io),
      }) as JsonSchema;
    } catch (error) {
      // A plugin's schema must not take the whole documentation with it.
      return { description: `This schema cannot be shown: ${(error as Error).message}` };
    }
    const { $schema: _dialect, $defs, ...rest } = converted;
    const renamed = new Map<string, string>();
    const definitions = Object.entries(($defs ?? {}) as Record<string, JsonSchema>);
    for (const [id, definition] of definitions) renamed.set(id, this.nameFor(id, definition, io));
    for (const [id, definition] of definitions) {
      const { $schema: _inner, id: _id, ...body } = definition;
      this.components[renamed.get(id) as string] = redirect(body, renamed) as JsonSchema;
    }
    return redirect(rest, renamed) as JsonSchema;
  }

  /** The component's name: its id, unless another schema has taken it. */
  private nameFor(id: string, definition: JsonSchema, io: Io): string {
    const base = id.replace(/[^A-Za-z0-9._-]/g, '_');
    const same = JSON.stringify(definition);
    const candidates = [base, base + (io === 'input' ? 'Input' : 'Output')];
    for (let n = 2; ; n++) {
      const name = candidates.shift() ?? `${base}${n}`;
      const known = this.sources.get(name);
      if (known !== undefined && known !== same) continue;
      this.sources.set(name, same);
      return name;
    }
  }

  private readonly sources = new Map<string, string>();
}

interface ZodDef {
  type: string;
  catchall?: unknown;
  defaultValue?: unknown;
}

/** Leaves out what is ours alone, and promises that may not hold for ever. */
function tidy(zodSchema: unknown, jsonSchema: JsonSchema, io: Io): void {
  for (const key of Object.keys(jsonSchema)) {
    if (key.startsWith('ictcore') || key === 'env') delete jsonSchema[key];
  }
  const def = (zodSchema as { _zod: { def: ZodDef } })._zod.def;
  // Answers may gain fields; a client made from this document must not refuse them.
  if (io === 'output' && def.type === 'object' && def.catchall === undefined) delete jsonSchema.additionalProperties;
  if (def.type === 'date') Object.assign(jsonSchema, { type: 'string', format: 'date-time' });
  // zod leaves the default out where the input is preprocessed; ours mean the same on either side.
  if (def.type === 'default' && isPlain(def.defaultValue)) jsonSchema.default ??= def.defaultValue;
  asIntegers(jsonSchema);
  // zod bounds every integer by what JavaScript can count; that tells a reader nothing.
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
}

function isPlain(value: unknown): boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}

/** A choice of whole numbers, such as a flag: one `enum` of type integer rather than a list of constants. */
function asIntegers(jsonSchema: JsonSchema): void {
  const choices = Array.isArray(jsonSchema.anyOf)
    ? jsonSchema.anyOf.map((one: JsonSchema) => one.const)
    : jsonSchema.enum;
  if (!Array.isArray(choices) || choices.length === 0 || !choices.every((choice) => Number.isInteger(choice))) return;
  delete jsonSchema.anyOf;
  Object.assign(jsonSchema, { type: 'integer', enum: choices });
}

/** Points references at the components. */
function redirect(value: unknown, renamed: ReadonlyMap<string, string>): unknown {
  if (Array.isArray(value)) return value.map((item) => redirect(item, renamed));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (key !== '$ref' || typeof inner !== 'string') return [key, redirect(inner, renamed)];
      const id = inner.slice(DEFINITIONS.length);
      return [key, inner.startsWith(DEFINITIONS) ? COMPONENTS + (renamed.get(id) ?? id) : inner];
    }),
  );
}

/** In a URL everything is text; shown is what the text stands for. */
export function asParameter(schema: JsonSchema): JsonSchema {
  const { pattern, ...rest } = schema;
  if (rest.type === 'integer') return rest;
  if (typeof pattern === 'string' && rest.type === 'string' && /^\^(-\?)?\\d(\{1,\d+\}|\+)\$$/.test(pattern)) {
    return { ...rest, type: 'integer', ...(pattern.startsWith('^-') ? {} : { minimum: 0 }) };
  }
  if (Array.isArray(rest.enum) && rest.enum.join() === '0,1,true,false')
    return { ...rest, type: 'integer', enum: [0, 1] };
  return schema;
}
