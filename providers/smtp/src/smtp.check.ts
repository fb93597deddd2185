import type { Health, Logger, ProviderConfig } from '@ictcore/contract';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { oneLine } from './smtp.address';
import { detailOf, type SmtpError } from './smtp.outcome';
import type { SmtpSettings } from './smtp.settings';
import { authOf, clearPasswordProblem, connectionOptions } from './smtp.transport';

/** Connects, upgrades to TLS, signs in and says goodbye; sends no mail. Never rejects. */
export async function checkServer(
  config: ProviderConfig<SmtpSettings>,
  log: Logger,
  signal: AbortSignal,
): Promise<Health> {
  const problem = clearPasswordProblem(config);
  if (problem !== undefined) return { state: 'error', detail: problem };
  const where = `${config.host}:${connectionOptions(config, log).port}`;
  const connection = new SMTPConnection(connectionOptions(config, log));
  const begin = performance.now();
  try {
    await aborted(signal, connection, () => connect(connection));
    const roundTripMs = Math.round((performance.now() - begin) * 10) / 10;
    const name = nameIn(String(connection.lastServerResponse || ''));
    const auth = authOf(config);
    if (auth) await aborted(signal, connection, () => login(connection, auth));
    const tls = connection.secure ? 'over TLS' : 'without TLS';
    const user = auth ? `, signed in as ${config.username}` : '';
    connection.quit();
    return { state: 'ok', detail: `${where} answers ${tls}${user}: ${name}`, roundTripMs };
  } catch (error) {
    connection.close();
    return {
      state: 'error',
      detail: `${where}: ${detailOf(error as SmtpError)}${mendingOf(error as SmtpError, config)}`,
    };
  }
}

/** What the server calls itself: the first line of its answer to EHLO, whose further lines list extensions. */
function nameIn(answer: string): string {
  const [first = ''] = answer.split(/\r?\n/);
  return oneLine(first.replace(/^\d{3}[ -]/, '')).slice(0, 120);
}

function connect(connection: SMTPConnection): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.once('error', reject);
    connection.connect((error) => (error ? reject(error) : resolve()));
  });
}

function login(connection: SMTPConnection, auth: NonNullable<ReturnType<typeof authOf>>): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.once('error', reject);
    connection.login(auth, (error) => (error ? reject(error) : resolve()));
  });
}

/** Works until done or aborted, whichever is first. */
async function aborted(signal: AbortSignal, connection: SMTPConnection, work: () => Promise<void>): Promise<void> {
  let stop: (() => void) | undefined;
  const end = new Promise<never>((_, reject) => {
    stop = () => {
      connection.close();
      reject(new Error('the check was stopped before the server answered'));
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  try {
    await Promise.race([end, ...(signal.aborted ? [] : [work()])]);
  } finally {
    if (stop) signal.removeEventListener('abort', stop);
  }
}

/** What an administrator can do about a failed check. */
function mendingOf(error: SmtpError, { settings, host }: ProviderConfig<SmtpSettings>): string {
  const { code, originalCode = '', message } = error;
  if (code === 'EDNS') return '. Check the name in host, and the name server of this machine';
  if (originalCode === 'ECONNREFUSED') return '. Nothing listens there: check host and port (25, 587, or 465 for tls)';
  if (code === 'EAUTH') return '. Check username and password, and whether the server lets this account send by SMTP';
  if (/certificate|self-signed|altnames/i.test(message) || /CERT/.test(originalCode)) {
    return `. Give its authority's certificate as ca, or name the host as in its certificate instead of ${host}`;
  }
  if (/wrong version number|packet length/i.test(message))
    return '. That port does not begin with TLS: set encryption to starttls';
  if (code === 'ETLS') return '. The server offers no usable STARTTLS: set encryption to tls with port 465, or to none';
  if (code === 'ETIMEDOUT' && settings.encryption !== 'tls') {
    return '. No answer: a firewall may be in the way, or the port wants TLS from the first byte (encryption tls)';
  }
  if (code === 'ETIMEDOUT') return '. No answer: check host and port, and whether a firewall is in the way';
  return '';
}
