import { defineDriver, type Logger, type ProviderDriver } from '@ictcore/contract';
import { LazySession } from './asterisk.lazy-session';
import { HubService } from './asterisk.service';
import { AsteriskSession } from './asterisk.session';
import { SIP_PORT, type SipSettings, sipSettings } from './asterisk.settings';
import { AsteriskHub, type AsteriskSource } from './hub/asterisk-hub';

/** Longest wait for the report of a call or fax: an attempt that has none by then is lost (API section 3.5 c). */
const VOICE_REPORT_MS = 2 * 3_600_000;
const FAX_REPORT_MS = 3_600_000;

/** The driver and the service that belong together: they share one Asterisk. */
export interface SipDriver {
  readonly driver: ProviderDriver<SipSettings>;
  readonly service: HubService;
}

/**
 * Makes the driver `sip`. The Asterisk is started with the first provider that opens, and let go with the last.
 *
 * @param source called once, when it is first needed
 */
export function sipDriver(source: () => Promise<AsteriskSource> | AsteriskSource): SipDriver {
  const service = new HubService();
  let hub: Promise<AsteriskHub> | undefined;
  let users = 0;
  /** One opens only when another has ended: both would use one folder. */
  let closing: Promise<void> = Promise.resolve();

  const acquire = async (log: Logger): Promise<AsteriskHub> => {
    users += 1;
    hub ??= closing.then(async () => {
      const opened = await AsteriskHub.open(await source(), log);
      service.use(opened);
      return opened;
    });
    const mine = hub;
    try {
      return await mine;
    } catch (error) {
      users -= 1;
      if (hub === mine) hub = undefined;
      throw error;
    }
  };
  const release = async () => {
    users -= 1;
    if (users > 0 || !hub) return;
    const last = hub;
    hub = undefined;
    service.use(undefined);
    closing = last.then((each) => each.close()).catch(() => undefined);
    await closing;
  };

  const driver = defineDriver<SipSettings>({
    type: 'sip',
    channels: ['voice', 'fax'],
    description: 'Voice and fax over a SIP trunk, through Asterisk',
    settings: sipSettings,
    requires: ['host'],
    defaultPort: SIP_PORT,
    receipts: {
      voice: { timeoutMs: VOICE_REPORT_MS, becomes: 'failed' },
      fax: { timeoutMs: FAX_REPORT_MS, becomes: 'failed' },
    },
    async open(config, context) {
      const { max_calls: maxInFlight, calls_per_second: perSecond } = config.settings;
      const lazy = new LazySession({ maxInFlight, perSecond }, async () => {
        const session = new AsteriskSession(config, context, await acquire(context.log), release);
        await session.open();
        return session;
      });
      await lazy.connect();
      return lazy;
    },
  });
  return { driver, service };
}
