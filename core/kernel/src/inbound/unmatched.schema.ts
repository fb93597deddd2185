import { z } from '@ictcore/contract';
import { columns, type ResourceSpec, unixTime } from '../database/resource';
import { rowId } from '../http/fields';

const FILES = `(
  select coalesce(jsonb_agg(jsonb_build_object('n', f.position, 'name', f.name, 'media_type', f.media_type, 'size', f.size)
                            order by f.position), '[]')
    from inbound_unmatched_file f where f.unmatched_id = t.unmatched_id)`;

const LISTED = {
  ...columns(
    'unmatched_id',
    'provider_id',
    'channel',
    'source',
    'source_name',
    'destination',
    'reason',
    'subject',
    'ref',
  ),
  date_created: unixTime('t.date_created'),
};

/** What came in and nobody takes. It belongs to nobody: whoever holds `inbound_*` sees it. */
export const unmatchedSpec: ResourceSpec = {
  name: 'inbound',
  title: 'Message',
  from: 'inbound_unmatched t',
  key: 'unmatched_id',
  owner: null,
  fields: { ...LISTED, text: 't.text', html: 't.html', facts: 't.facts', files: FILES },
  listFields: Object.keys(LISTED),
  filters: {
    unmatched_id: { kind: 'exact', value: 'int', sql: 't.unmatched_id' },
    provider_id: { kind: 'exact', value: 'int', sql: 't.provider_id' },
    channel: { kind: 'exact', value: 'text', sql: 't.channel' },
    source: { kind: 'contains', sql: 't.source' },
    destination: { kind: 'contains', sql: 't.destination' },
  },
};

const listed = {
  unmatched_id: z.int(),
  provider_id: z.int().nullable(),
  channel: z.string(),
  source: z.string().describe('Number or address of the sender, as it came'),
  source_name: z.string(),
  destination: z.string().describe('Number or address that it was sent to, as it came'),
  reason: z.string().describe('Why nobody takes it'),
  subject: z.string().nullable(),
  ref: z.string().describe('The provider’s own id'),
  date_created: z.int().describe('When it came, Unix seconds'),
};

/** A row of the list. */
export const unmatchedListed = z.object(listed).meta({ id: 'UnmatchedListed' });

/** One of them with all that it brought. */
export const unmatchedRead = z
  .object({
    ...listed,
    text: z.string().nullable(),
    html: z.string().nullable(),
    facts: z.array(z.object({ type: z.string(), name: z.string(), data: z.string() })),
    files: z.array(z.object({ n: z.int(), name: z.string(), media_type: z.string(), size: z.int().describe('Bytes') })),
  })
  .meta({ id: 'Unmatched' });
export type UnmatchedRead = z.infer<typeof unmatchedRead>;

/** Body of `POST …/assign`. */
export const unmatchedAssign = z
  .object({ account_id: rowId().describe('The account that is to have it') })
  .meta({ id: 'UnmatchedAssign' });
