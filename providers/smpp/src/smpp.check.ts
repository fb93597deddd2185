import type { Health, Logger, ProviderConfig } from '@ictcore/contract';
import { bind, type Connection, isLinkError, type LinkError } from './link';
import { COMMAND, ESME, type MessagePdu } from './pdu';
import { linkOptions, modesOf, whereOf } from './smpp.link-options';
import type { SmppSettings } from './smpp.settings';

const UNBIND_MS = 1000;

/** What a check borrows from its session. */
export interface CheckHost {
  /** Takes what the centre delivers to the checking connection: a transceiver gets its share at once. */
  onMessage(pdu: MessagePdu, connection: Connection): void;
  onConnectionEnd(connection: Connection): void;
  /** True if a session of this provider is bound. */
  bound(): boolean;
}

/** Connects, binds, asks enquire_link and unbinds on a connection of its own. Never rejects. */
export async function checkCentre(
  config: ProviderConfig<SmppSettings>,
  host: CheckHost,
  log: Logger,
  signal: AbortSignal,
): Promise<Health> {
  const options = linkOptions(config);
  const where = whereOf(options);
  const [mode] = modesOf(config.settings);
  const handler = {
    onMessage: host.onMessage,
    onUnbind: (connection: Connection) => connection.close('the peer unbound'),
    onClose: (_reason: string, connection: Connection) => host.onConnectionEnd(connection),
  };
  try {
    const { connection, systemId } = await bind(options, mode, handler, log, signal);
    try {
      const begin = performance.now();
      const stop = () => connection.close('the check was given up');
      signal.addEventListener('abort', stop, { once: true });
      try {
        await connection.request({ command: COMMAND.enquire_link, body: null });
      } finally {
        signal.removeEventListener('abort', stop);
      }
      const roundTripMs = Math.round((performance.now() - begin) * 10) / 10;
      const over = config.settings.tls ? ' over TLS' : '';
      return { state: 'ok', detail: `${where} binds${over} as ${mode}: ${systemId || 'no name given'}`, roundTripMs };
    } finally {
      await connection.unbind(UNBIND_MS);
    }
  } catch (caught) {
    if (!isLinkError(caught)) return { state: 'error', detail: `${where}: ${(caught as Error).message}` };
    if (isOneTooMany(caught) && host.bound()) {
      return { state: 'ok', detail: `${where}: bound; the centre allows no second link for a check` };
    }
    return {
      state: 'error',
      detail: `${caught.message.includes(where) ? '' : `${where}: `}${caught.message}${mending(caught)}`,
    };
  }
}

/** Refusals of a second bind under the same name. */
function isOneTooMany({ status }: LinkError): boolean {
  return status === ESME.RALYBND || status === ESME.RBINDFAIL;
}

/** What an administrator can do about it. */
function mending({ status, problem, message }: LinkError): string {
  if (status === ESME.RINVPASWD) return '. Check password';
  if (status === ESME.RINVSYSID) return '. Check username (system_id)';
  if (status === ESME.RALYBND) return '. Another client is bound under this name';
  if (status === ESME.RBINDFAIL || status === 0x53) return '. Check username, password, system_type and bind_mode';
  if (problem === 'login') return '. Check username, password and bind_mode';
  if (/ECONNREFUSED/.test(message)) return '. Nothing listens there: check host and port';
  if (/ENOTFOUND|EAI_AGAIN/.test(message)) return '. Check the name in host, and the name server of this machine';
  if (/certificate|self-signed|altnames/i.test(message)) return '. Give its authority’s certificate as ca';
  if (/wrong version number|packet length/i.test(message)) return '. That port does not begin with TLS';
  if (problem === 'timeout') return '. It takes connections but does not answer: check tls, and that this is SMPP';
  return '';
}
