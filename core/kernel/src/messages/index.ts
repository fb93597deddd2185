import { MESSAGES } from '@ictcore/contract';
import { MediaConverter } from '@ictcore/media';
import { CONFIG, type KernelModule } from '../boot/injection';
import { Services } from '../boot/services';
import { Database } from '../database/database';
import { ResourceDirectory } from '../database/resource-directory';
import { MediaStorage } from '../media';
import { Conversions, capabilityRoutes, MESSAGE_MEDIA_KEYS, provideConverter } from './conversion';
import { DocumentService, documentRoutes } from './documents';
import { KernelMessages } from './message.service';
import { RecordingService, recordingRoutes } from './recordings';
import { ATTACHMENT_KEYS, TemplateService, templateRoutes } from './templates';
import { TextService, textRoutes } from './texts';

export { Conversions } from './conversion';
export * from './documents';
export { type MessageKind, refuseWhileInUse } from './in-use';
export { KernelMessages } from './message.service';
export { refuseUnready } from './readiness';
export * from './recordings';
export * from './templates';
export * from './texts';
export * from './tokens';

/** How often conversions are looked for that a dead node has left, in milliseconds. */
const RESUME_MS = 15_000;

/** Templates (e-mail), texts (SMS), documents (fax) and recordings (voice). */
export const messagesModule: KernelModule = {
  name: 'messages',
  setup(registry, container) {
    provideConverter(container);
    const templates = container.resolve(TemplateService);
    const texts = container.resolve(TextService);
    const documents = container.resolve(DocumentService);
    const recordings = container.resolve(RecordingService);
    const messages = container.resolve(KernelMessages);
    const directory = container.resolve(ResourceDirectory);
    directory.add(templates.repository);
    directory.add(texts.repository);
    directory.add(documents.repository);
    directory.add(recordings.repository);
    const { media } = container.resolve(CONFIG);
    registry.routes([...templateRoutes(templates), ...textRoutes(texts)]);
    registry.routes([...documentRoutes(documents, media), ...recordingRoutes(recordings, media)]);
    registry.routes(capabilityRoutes(container.resolve(MediaConverter), media));
    registry.service(MESSAGES, () => messages);
    container.resolve(Services).addTransactional(MESSAGES, (tx) => messages.within(tx));
    registry.job({
      name: 'template_media_sweep',
      cron: '23 3 * * *',
      async run(_context, signal) {
        const database = container.resolve(Database);
        await container.resolve(MediaStorage).sweepOrphans('template', ATTACHMENT_KEYS, database, signal);
      },
    });
    registry.job({
      name: 'message_media_sweep',
      cron: '37 3 * * *',
      async run(_context, signal) {
        const database = container.resolve(Database);
        const storage = container.resolve(MediaStorage);
        for (const kind of ['document', 'recording']) {
          await storage.sweepOrphans(kind, MESSAGE_MEDIA_KEYS, database, signal);
        }
      },
    });
    registry.job({
      name: 'media_conversions',
      everyMs: RESUME_MS,
      run: () => container.resolve(Conversions).resume(),
    });
  },
};
