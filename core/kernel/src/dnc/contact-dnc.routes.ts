import { type AnyRoute, CHANNELS, defineRoute, fileReply, IctError, z } from '@ictcore/contract';
import { filterShape, type ListQuery } from '../database/list-query';
import { crudRoutes } from '../http/crud-routes';
import { flag } from '../http/fields';
import {
  contactDncCreate,
  contactDncImport,
  contactDncRead,
  contactDncSpec,
  contactDncUpdate,
} from './contact-dnc.schema';
import type { ContactDncService } from './contact-dnc.service';
import { type ContactDncCsv, DNC_COLUMNS } from './contact-dnc-csv.service';

const CSV_TYPES = ['text/csv', 'text/plain', 'application/csv', 'application/vnd.ms-excel', 'application/octet-stream'];

/** The do-not-contact list: `contact_dncs` (API section 9.2). `maxBytes`: largest file that is imported. */
export function contactDncRoutes(service: ContactDncService, csv: ContactDncCsv, maxBytes: number): AnyRoute[] {
  return [
    ...crudRoutes({
      spec: contactDncSpec,
      paths: ['/contact_dncs'],
      service,
      create: contactDncCreate,
      update: contactDncUpdate,
      read: contactDncRead,
    }),
    defineRoute({
      method: 'get',
      path: '/contact_dncs/csv',
      permission: 'contact_dnc_list',
      summary: 'Download the do-not-contact list as CSV',
      description: `Columns ${DNC_COLUMNS.join(', ')}, with a header. Takes the filters of the list.`,
      query: z.object(filterShape(contactDncSpec)) as unknown as z.ZodType<ListQuery>,
      async handler({ actor, query }) {
        const stream = await csv.export(actor, query);
        const headers = { 'Cache-Control': 'private, no-store' };
        return fileReply({ stream, name: 'contact_dnc.csv', mediaType: 'text/csv; charset=utf-8', headers });
      },
    }),
    defineRoute({
      method: 'post',
      path: '/contact_dncs/csv',
      permission: 'contact_dnc_create',
      summary: 'Put the rows of a CSV file on the do-not-contact list',
      description:
        `The body is the file (UTF-8), or multipart with one file. A header may name the columns; without one they are ` +
        `${DNC_COLUMNS.join(', ')}, or a single one with the address. Rows in error are told and passed over.`,
      query: z.object({
        channel: z.enum(CHANNELS).optional().describe('For rows that name none'),
        everyone: flag().optional().describe('1: the entries hold for every user; needs contact_dnc_admin'),
      }),
      upload: { maxBytes, maxFiles: 1, raw: true },
      response: contactDncImport,
      errors: { 411: 'The file is empty', 413: 'The file has too many bytes or rows', 415: 'It is not CSV' },
      handler({ actor, query, files, signal }) {
        const [file] = files;
        if (!file || !CSV_TYPES.includes(file.mediaType)) {
          const message = 'Send the CSV file as the body (Content-Type text/csv) or as multipart/form-data';
          throw new IctError(message, { code: 'MEDIA_TYPE', status: 415 });
        }
        return csv.import(actor, { file: file.path, channel: query.channel, everyone: query.everyone }, signal);
      },
    }),
  ];
}
