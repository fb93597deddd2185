import { z } from '@ictcore/contract';
import { columns, OWNED_FIELDS, type ResourceSpec } from '../database/resource';
import { nullableInt, nullableText } from '../http/fields';

/** Program, API section 1.7. */
export const programSpec: ResourceSpec = {
  name: 'program',
  title: 'Program',
  from: 'program t',
  key: 'program_id',
  owner: 't.created_by',
  fields: { ...columns('program_id', 'name', 'type', 'parent_id', 'data'), ...OWNED_FIELDS },
  listFields: ['program_id', 'name', 'type', 'parent_id'],
  filters: {
    program_id: { kind: 'exact', value: 'int', sql: 't.program_id' },
    name: { kind: 'contains', sql: 't.name' },
    type: { kind: 'contains', sql: 't.type' },
    parent_id: { kind: 'exact', value: 'int', sql: 't.parent_id' },
  },
  sortable: ['name', 'type'],
};

/** A program as read: its parameters stand in `data` and at the top level too. */
export const programRead = z
  .looseObject({
    program_id: z.int(),
    name: z.string(),
    type: z.string(),
    parent_id: z.int().nullable(),
    data: z.record(z.string(), z.unknown()),
    user_id: z.int().nullable(),
    date_created: z.int(),
    last_updated: z.int().nullable(),
  })
  .meta({ id: 'Program' });
export type ProgramShown = z.infer<typeof programRead>;

/** A row of S38. */
export const programListRow = z
  .object({ program_id: z.int(), name: z.string(), type: z.string(), parent_id: z.int().nullable() })
  .meta({ id: 'ProgramRow' });

/** What every program takes beside its own parameters (API section 4.2). */
export const programCommon = z.object({
  name: nullableText(64).optional(),
  parent_id: nullableInt(1).optional(),
});

/** A step graph as shown at `GET /programs/{id}/scheme`. */
export const schemeRead = z
  .object({
    start: z.string(),
    steps: z.record(
      z.string(),
      z.object({
        use: z.string(),
        with: z.record(z.string(), z.unknown()),
        on: z.record(z.string(), z.string()).optional(),
      }),
    ),
  })
  .meta({ id: 'Scheme' });
