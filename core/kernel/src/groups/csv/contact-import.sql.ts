import { CSV_COLUMN_NAMES } from './csv-columns';

/**
 * An import in sets. The rows of the file stand in a temporary table of the import's own connection; they become
 * contacts and links in one transaction. Whatever ends the connection before its commit leaves nothing behind.
 */
export const CREATE_STAGING = `
create temporary table import_row (
  line integer not null,
  ${CSV_COLUMN_NAMES.map((name) => `${name} text`).join(', ')},
  phone_normalized text
)`;

/** Statistics of a temporary table nobody gathers but its owner. */
export const ANALYZE_STAGING = 'analyze import_row (line, phone_normalized, email)';

/** The first row of each phone, or of each e-mail among rows without a phone: further ones are duplicates of it. */
export const CREATE_KEYS = `
create temporary table import_key on commit drop as
select min(line) as line, phone, email
  from (select line, phone_normalized as phone, case when phone_normalized is null then lower(email) end as email
          from import_row) r
 group by phone, email`;

/** Which of them the owner has already; the latest where there are several, as sends choose it. */
export const createFound = (owner: number): string => `
create temporary table import_found on commit drop as
select k.line, max(c.contact_id) as contact_id
  from import_key k join contact c on c.created_by = ${owner} and c.phone_normalized = k.phone
 where k.phone is not null group by k.line
union all
select k.line, max(c.contact_id)
  from import_key k join contact c on c.created_by = ${owner} and lower(c.email) = k.email
 where k.phone is null group by k.line`;

/** They must not be deleted before they are linked. */
export const HOLD_FOUND = `
select count(*) from (
  select 1 from contact where contact_id in (select contact_id from import_found) order by contact_id for key share) held`;

/** Those deleted a moment ago are made anew. */
export const DROP_LOST = `
delete from import_found f where not exists (select 1 from contact c where c.contact_id = f.contact_id)`;

/** $1: group. */
export const LINK_FOUND = `
insert into contact_link (group_id, contact_id)
select distinct $1::int8, contact_id from import_found on conflict do nothing`;

const NEW_KEYS = `
  join import_key k on k.line = r.line
 where not exists (select 1 from import_found f where f.line = r.line)`;

/**
 * Makes contacts in the order of the file and links them. $1: group, $2: owner.
 *
 * @param all true: of every row; false: of the keys that were not found
 */
export const insertContacts = (all: boolean): string => `
with made as (
  insert into contact (${CSV_COLUMN_NAMES.join(', ')}, phone_normalized, created_by)
  select ${CSV_COLUMN_NAMES.map((name) => (name === 'description' ? `coalesce(r.description, '')` : `r.${name}`)).join(', ')},
         r.phone_normalized, $2::int8
    from import_row r ${all ? '' : NEW_KEYS}
   order by r.line
  returning contact_id
), linked as (
  insert into contact_link (group_id, contact_id) select $1::int8, contact_id from made returning 1
)
select count(*) as imported from linked`;
