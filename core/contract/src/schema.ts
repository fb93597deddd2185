import { z } from 'zod';

export { z } from 'zod';

/** A schema that yields `T`. Plugins may bring their own copy of zod 4: only its public shape is relied upon. */
export type Schema<T> = z.ZodType<T>;

const SECRET = 'ictcoreSecret';
const RESOURCE = 'ictcoreResource';

/**
 * Marks a setting as secret: the kernel encrypts it at rest, never returns it (`has_<name>` says whether one is set)
 * and never logs it. Only string settings at the top level of a settings object can be secret.
 *
 * @example
 * const settings = z.object({ api_key: secret(z.string().min(1)) });
 */
export function secret<T extends z.ZodType>(schema: T): T {
  return schema.meta({ ...schema.meta(), [SECRET]: true, writeOnly: true }) as T;
}

/** The names of the top-level fields of a settings object that are marked {@link secret}. */
export function secretFields(schema: Schema<unknown>): string[] {
  return Object.entries(shapeOf(schema))
    .filter(([, field]) => unwrap(field).some((layer) => metaOf(layer)?.[SECRET] === true))
    .map(([name]) => name);
}

/**
 * The id of a row that the caller must be allowed to see: whole numbers and their texts are taken, ids of other users'
 * rows are refused with 412 naming the field.
 *
 * @param resource - the noun, e.g. `text`, `template`, `account`
 */
export function resourceId(resource: string): z.ZodType<number> {
  const message = `must be the id of a ${resource}: a whole number`;
  const id = z
    .number({ error: (issue) => (issue.input === undefined ? `is required: the id of a ${resource}` : message) })
    .int(message)
    .positive(message);
  return z
    .preprocess((value) => (typeof value === 'string' && /^\s*\d{1,15}\s*$/.test(value) ? Number(value) : value), id)
    .meta({ [RESOURCE]: resource, description: `Id of a ${resource} that the caller may see` }) as z.ZodType<number>;
}

/** `{ field: resource }` for every top-level field made with {@link resourceId}. */
export function resourceFields(schema: Schema<unknown>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, field] of Object.entries(shapeOf(schema))) {
    for (const layer of unwrap(field)) {
      const resource = metaOf(layer)?.[RESOURCE];
      if (typeof resource === 'string') found[name] = resource;
    }
  }
  return found;
}

interface AnyDef {
  type?: string;
  shape?: Record<string, z.ZodType>;
  innerType?: z.ZodType;
  in?: z.ZodType;
  out?: z.ZodType;
}

function defOf(schema: unknown): AnyDef {
  return (schema as { _zod?: { def?: AnyDef } })?._zod?.def ?? {};
}

function metaOf(schema: unknown): Record<string, unknown> | undefined {
  const meta = (schema as { meta?: () => Record<string, unknown> | undefined }).meta;
  return typeof meta === 'function' ? meta.call(schema) : undefined;
}

/** The schema itself and everything it wraps: optional(), nullable(), default(), pipe(). */
function unwrap(schema: unknown): unknown[] {
  const layers: unknown[] = [];
  const queue: unknown[] = [schema];
  while (queue.length > 0 && layers.length < 20) {
    const next = queue.shift();
    if (!next) continue;
    layers.push(next);
    const def = defOf(next);
    queue.push(def.innerType, def.in, def.out);
  }
  return layers;
}

function shapeOf(schema: unknown): Record<string, z.ZodType> {
  for (const layer of unwrap(schema)) {
    const shape = defOf(layer).shape;
    if (shape) return shape;
  }
  return {};
}
