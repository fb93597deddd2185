import { type AnyRoute, AUTHENTICATED, defineRoute, z } from '@ictcore/contract';
import { FAX_QUALITIES, type MediaConverter } from '@ictcore/media';
import type { Config } from '../../boot/config';

const formats = z
  .object({
    available: z.boolean(),
    formats: z.array(z.string()).describe('File extensions'),
    by: z.string().describe('Who converts them'),
    install: z.string().optional().describe('What to install where it is not available'),
  })
  .meta({ id: 'FormatCapability' });

const capabilities = z
  .object({
    fax: formats,
    voice: formats,
    office: formats,
    html: formats,
    sandbox: z.boolean().describe('Office documents are converted without network and without sight of other files'),
    hard_memory_limit: z.boolean().describe('The operating system bounds the memory of conversions'),
    qualities: z.array(z.string()),
    limits: z.object({
      document_max_bytes: z.int(),
      document_max_pages: z.int(),
      recording_max_bytes: z.int(),
      recording_max_seconds: z.int(),
    }),
  })
  .meta({ id: 'Capabilities' });

/** `GET /system/capabilities`: which files this server takes. */
export function capabilityRoutes(converter: MediaConverter, config: Config['media']): AnyRoute[] {
  return [
    defineRoute({
      method: 'get',
      path: '/system/capabilities',
      permission: AUTHENTICATED,
      summary: 'Which files this server can convert, and what to install for the rest',
      response: capabilities,
      async handler() {
        const { hardMemoryLimit, ...found } = await converter.capabilities();
        const { document_max_bytes, document_max_pages, recording_max_bytes, recording_max_seconds } = config;
        return {
          ...structuredClone(found),
          hard_memory_limit: hardMemoryLimit,
          qualities: Object.keys(FAX_QUALITIES),
          limits: { document_max_bytes, document_max_pages, recording_max_bytes, recording_max_seconds },
        } as z.infer<typeof capabilities>;
      },
    }),
  ];
}
