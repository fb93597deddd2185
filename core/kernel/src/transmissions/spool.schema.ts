import { z } from '@ictcore/contract';
import { columns, type ResourceSpec, unixTime } from '../database/resource';
import { SPOOL_STATES } from './states';

/** Spool, one attempt: API section 1.9. It belongs to the owner of its transmission. */
export const spoolSpec: ResourceSpec = {
  name: 'spool',
  title: 'Spool',
  from: 'spool t join transmission tr on tr.transmission_id = t.transmission_id',
  key: 'spool_id',
  owner: 'tr.created_by',
  fields: {
    ...columns('spool_id', 'transmission_id', 'account_id', 'service_flag', 'attempt', 'status', 'response', 'reason'),
    ...columns('call_id', 'amount', 'provider_id', 'node_id'),
    time_spool: unixTime('t.time_spool'),
    time_start: unixTime('t.time_start'),
    time_connect: unixTime('t.time_connect'),
    time_end: unixTime('t.time_end'),
  },
  filters: {
    spool_id: { kind: 'exact', value: 'int', sql: 't.spool_id' },
    account_id: { kind: 'exact', value: 'int', sql: 't.account_id' },
    status: { kind: 'exact', value: 'text', sql: 't.status' },
    response: { kind: 'contains', sql: 't.response' },
    service_flag: { kind: 'bits', sql: 't.service_flag' },
  },
  createdAt: 't.time_spool',
};

/** Result, a fact of an attempt: API section 1.10. */
export const resultSpec: ResourceSpec = {
  name: 'result',
  title: 'Result',
  from: `spool_result t join spool s on s.spool_id = t.spool_id
    join transmission tr on tr.transmission_id = s.transmission_id`,
  key: 'spool_result_id',
  owner: 'tr.created_by',
  fields: {
    ...columns('spool_result_id', 'spool_id', 'application_id', 'type', 'name', 'data'),
    date_created: unixTime('t.date_created'),
  },
  filters: {
    spool_result_id: { kind: 'exact', value: 'int', sql: 't.spool_result_id' },
    application_id: { kind: 'exact', value: 'text', sql: 't.application_id' },
    type: { kind: 'exact', value: 'text', sql: 't.type' },
    name: { kind: 'exact', value: 'text', sql: 't.name' },
    data: { kind: 'contains', sql: 't.data' },
  },
};

const id = z.int().nullable();

export const spoolRead = z
  .object({
    spool_id: z.int(),
    transmission_id: z.int(),
    account_id: id,
    service_flag: z.int(),
    attempt: z.int().describe('1 for the first'),
    status: z.enum(SPOOL_STATES),
    response: z.string().describe("The carrier's own words"),
    reason: z.string().nullable().describe('busy, no_answer, rejected ...; null unless failed'),
    call_id: z.string().nullable().describe("The carrier's id of the message or channel"),
    amount: z.int(),
    provider_id: id,
    node_id: id,
    time_spool: id.describe('Queued, Unix seconds'),
    time_start: id.describe('About to be handed over'),
    time_connect: id.describe('Answered or accepted'),
    time_end: id.describe('Over'),
  })
  .meta({ id: 'Spool' });
export type SpoolRow = z.infer<typeof spoolRead>;

export const resultRead = z
  .object({
    spool_result_id: z.int(),
    spool_id: z.int(),
    application_id: z.string(),
    type: z.enum(['application', 'contact', 'message', 'info', 'error']),
    name: z.string(),
    data: z.string(),
    date_created: z.int(),
  })
  .meta({ id: 'Result' });
export type ResultRow = z.infer<typeof resultRead>;
