import type { Health, ProviderConfig } from '@ictcore/contract';
import { clearPasswordProblem, createClient, portOf, wordsOf } from './imap.connection';
import type { ImapSettings } from './imap.settings';

/** Connects, signs in, looks at the mailbox and leaves; reads and changes no mail. Never rejects. */
export async function checkMailbox(config: ProviderConfig<ImapSettings>, signal: AbortSignal): Promise<Health> {
  const problem = clearPasswordProblem(config);
  if (problem !== undefined) return { state: 'error', detail: problem };
  const begin = performance.now();
  const client = await createClient(config);
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(new Error('the check was stopped before the server answered'));
  });
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const looking = look();
  try {
    const { name, messages } = await Promise.race([aborted, looking]);
    const roundTripMs = Math.round((performance.now() - begin) * 10) / 10;
    const tls = client.secureConnection ? 'over TLS' : 'without TLS';
    const detail = `${config.host}:${portOf(config)} lets ${config.username} in ${tls}: ${name} holds ${messages} mails`;
    return { state: 'ok', detail, roundTripMs };
  } catch (error) {
    return { state: 'error', detail: wordsOf(error, config) };
  } finally {
    signal.removeEventListener('abort', stop);
    client.close();
    await looking.catch(() => undefined);
  }

  async function look(): Promise<{ name: string; messages: number }> {
    await client.connect();
    const name = config.settings.mailbox;
    const status = await client.status(name, { messages: true });
    if (!status) throw new Error(`there is no mailbox ${name}`);
    await client.logout();
    return { name, messages: status.messages ?? 0 };
  }
}
