import { MESSAGES } from '@ictcore/contract';
import type { KernelModule } from '../boot/injection';
import { Services } from '../boot/services';
import { Database } from '../database/database';
import { ResourceDirectory } from '../database/resource-directory';
import { MediaStorage } from '../media';
import { KernelMessages } from './message.service';
import { ATTACHMENT_KEYS, TemplateService, templateRoutes } from './templates';
import { TextService, textRoutes } from './texts';

export { type MessageKind, refuseWhileInUse } from './in-use';
export { KernelMessages } from './message.service';
export * from './templates';
export * from './texts';
export * from './tokens';

/** Templates (e-mail) and texts (SMS). */
export const messagesModule: KernelModule = {
  name: 'messages',
  setup(registry, container) {
    const templates = container.resolve(TemplateService);
    const texts = container.resolve(TextService);
    const messages = container.resolve(KernelMessages);
    const directory = container.resolve(ResourceDirectory);
    directory.add(templates.repository);
    directory.add(texts.repository);
    registry.routes([...templateRoutes(templates), ...textRoutes(texts)]);
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
  },
};
