import { defineDriver, definePlugin } from '@ictcore/contract';
import { ImapSession } from './imap.session';
import { type ImapSettings, imapSettings } from './imap.settings';

/** Driver `imap`: watches a mailbox and takes mail in. It sends nothing (no `submit`). */
export const imapDriver = defineDriver<ImapSettings>({
  type: 'imap',
  channels: ['email'],
  receivesOnly: true,
  description: 'E-mail that comes in through a mailbox, by IMAP with IDLE',
  settings: imapSettings,
  requires: ['host', 'username', 'password'],
  defaultPort: 993,
  open: async (config, context) => {
    const session = new ImapSession(config, context);
    await session.start();
    return session;
  },
});

/** Brings the driver `imap`. */
export const imapPlugin = definePlugin({
  name: '@ictcore/provider-imap',
  version: '0.1.0',
  api: '^1',
  setup(registry) {
    registry.driver(imapDriver);
  },
});
