import { Readable } from 'node:stream';
import {
  type AnyRoute,
  AUTHENTICATED,
  defineRoute,
  fileReply,
  IctError,
  type UploadedFile,
  z,
} from '@ictcore/contract';
import { contactSpec } from '../../contacts';
import { filterShape, type ListQuery } from '../../database/list-query';
import { flag, idParam } from '../../http/fields';
import type { ContactExportService } from './contact-export.service';
import type { ContactImportService } from './contact-import.service';
import { CSV_COLUMN_NAMES } from './csv-columns';
import { ERRORS_SHOWN } from './csv-rows';

const params = z.object({ group_id: idParam() });
const headerFlag = flag().optional().describe('1: a first row with the names of the columns');
const CSV = 'text/csv; charset=utf-8';

/** What browsers and clients call CSV; Windows with Office calls it an Excel sheet (API section 8). */
const CSV_TYPES = ['text/csv', 'text/plain', 'application/csv', 'application/vnd.ms-excel'];
/** Character sets by the names that clients use; undefined is UTF-8. */
const CHARSETS: Readonly<Record<string, string | undefined>> = {
  'utf-8': undefined,
  utf8: undefined,
  'us-ascii': undefined,
  ascii: undefined,
  'iso-8859-1': 'windows-1252',
  latin1: 'windows-1252',
  'windows-1252': 'windows-1252',
  'iso-8859-15': 'iso-8859-15',
  'windows-1250': 'windows-1250',
  'windows-1251': 'windows-1251',
};

/** S11 to S13. `maxBytes`: largest file that is taken. */
export function groupCsvRoutes(
  imports: ContactImportService,
  exports: ContactExportService,
  maxBytes: number,
): AnyRoute[] {
  return [exportRoute(exports), importRoute(imports, maxBytes), sampleRoute()];
}

function exportRoute(exports: ContactExportService): AnyRoute {
  const query = z.object({
    ...filterShape(contactSpec),
    header: headerFlag,
    safe: flag().optional().describe("1: a ' before values that a spreadsheet would take for a formula"),
  }) as unknown as z.ZodType<ListQuery>;
  return defineRoute({
    method: 'get',
    path: '/groups/{group_id}/export/contact.csv',
    aliases: [{ path: '/groups/{group_id}/csv' }],
    permission: ['group_read', 'contact_list'],
    summary: 'Download the contacts of a group as CSV',
    description:
      `Guide line S11. Nine columns: ${CSV_COLUMN_NAMES.join(', ')}; RFC 4180, UTF-8, without a header unless asked ` +
      'for. Takes the filters of the list of contacts. Can be imported as it is.',
    params,
    query,
    async handler({ actor, params: { group_id }, query: asked }) {
      const options = { header: asked.header === 1, safe: asked.safe === 1 };
      const stream = await exports.run(actor, group_id, asked, options);
      const headers = { 'Cache-Control': 'private, no-store' };
      return fileReply({ stream, name: `group_${group_id}.csv`, mediaType: CSV, headers });
    },
  });
}

const report = z
  .object({
    group_id: z.int(),
    imported: z.int().describe('Contacts made, and put into the group'),
    linked: z.int().describe('Rows whose contact was there already; it is in the group now'),
    skipped: z.int().describe('Rows not taken: blank ones and those in error'),
    errors: z
      .array(z.object({ line: z.int(), message: z.string() }))
      .describe(`By line of the file, the first ${ERRORS_SHOWN}`),
  })
  .meta({ id: 'ContactImport' });

function importRoute(imports: ContactImportService, maxBytes: number): AnyRoute {
  return defineRoute({
    method: 'post',
    path: '/groups/import/contact_group/{group_id}',
    aliases: [{ path: '/groups/{group_id}/csv' }, { path: '/groups/{group_id}/import/contact_csv' }],
    permission: ['group_update', 'contact_create'],
    summary: 'Import contacts from CSV into a group',
    description:
      'Guide line S12. The body is the file (text/csv, text/plain), or multipart with one file. A header row may name ' +
      `the columns in any order; without one they are ${CSV_COLUMN_NAMES.join(', ')}, or a single one with the phone. ` +
      'A contact of the caller with the same phone (rows without one: the same e-mail) is linked, not made again. ' +
      'Rows in error are told and passed over. A file that cannot be read to its end imports nothing at all, and so ' +
      'does a client that goes away before the answer.',
    params,
    query: z.object({
      duplicates: z.enum(['link', 'create']).optional().describe('create: a new contact of each row'),
    }),
    upload: { maxBytes, maxFiles: 1, raw: true },
    response: report,
    errors: {
      411: 'The file is empty',
      413: 'The file has too many bytes or rows',
      415: 'The Content-Type is not CSV',
      423: 'Another import into this group is running',
    },
    async handler({ actor, params: { group_id }, query, files, headers, signal }) {
      const contentType = String(headers['content-type'] ?? '');
      const multipart = /^multipart\//i.test(contentType);
      const file = csvFile(files, multipart);
      const charset = multipart ? undefined : charsetOf(contentType);
      const createDuplicates = query.duplicates === 'create';
      return imports.run(actor, { groupId: group_id, file: file.path, charset, createDuplicates }, signal);
    },
  });
}

/** The uploaded file, if it is called CSV: by its type or, as a part that says nothing of itself, by its name. */
function csvFile(files: readonly UploadedFile[], multipart: boolean): UploadedFile {
  const [file] = files;
  if (!file) throw mediaType('Send the CSV file as the body (Content-Type text/csv) or as multipart/form-data');
  const byName =
    multipart && /\.(csv|txt)$/i.test(file.fileName ?? '') && file.mediaType === 'application/octet-stream';
  if (byName || CSV_TYPES.includes(file.mediaType)) return file;
  throw mediaType(`Content-Type ${file.mediaType} is not taken here; send text/csv`);
}

function charsetOf(contentType: string): string | undefined {
  const [, named] = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(contentType) ?? [];
  const name = (named ?? 'utf-8').toLowerCase();
  if (!Object.hasOwn(CHARSETS, name)) throw mediaType(`The character set ${name} is not known here; send UTF-8`);
  return CHARSETS[name];
}

function mediaType(message: string): IctError {
  return new IctError(message, { code: 'MEDIA_TYPE', status: 415 });
}

const SAMPLE = [
  '15550100,Ada,Lovelace,ada@example.org,"12 St James Square, London",Gold,,,Prefers mornings',
  '15550101,Alan,Turing,alan@example.org,"Bletchley Park, Milton Keynes",Silver,,,',
];

function sampleRoute(): AnyRoute {
  return defineRoute({
    method: 'get',
    path: '/groups/import/contact_csv/sample',
    aliases: [{ path: '/groups/sample/csv' }, { path: '/groups/export/contact_csv/sample' }],
    permission: AUTHENTICATED,
    summary: 'Download a sample of a CSV file of contacts',
    description: 'Guide line S13.',
    query: z.object({ header: headerFlag }),
    handler({ query }) {
      const rows = query.header === 1 ? [CSV_COLUMN_NAMES.join(','), ...SAMPLE] : SAMPLE;
      const text = `${rows.join('\r\n')}\r\n`;
      return sampleReply(text);
    },
  });
}

function sampleReply(text: string) {
  const bytes = Buffer.from(text);
  return fileReply({ stream: Readable.from([bytes]), name: 'contact_sample.csv', mediaType: CSV, size: bytes.length });
}
