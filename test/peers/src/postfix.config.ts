import { LOOPBACK } from './peer-process';

/** What Postfix does with a mail once it has accepted it. */
export type PostfixMode = 'mailbox' | 'discard';

/** Values that the configuration files are made of. */
export interface PostfixConfig {
  readonly dir: string;
  readonly mode: PostfixMode;
  readonly port: number;
  readonly smtpsPort?: number;
  readonly hostname: string;
  readonly messageSizeLimit: number;
  readonly certificate?: { readonly keyFile: string; readonly certificateFile: string };
  readonly sasl: boolean;
}

/** nobody on Debian: the virtual delivery agent refuses to write mail as root. */
export const MAIL_UID = 65534;

/** main.cf. See postconf(5) for every parameter. */
export function mainCf(config: PostfixConfig): string {
  const { dir } = config;
  const lines = [
    'compatibility_level = 3.6',
    `queue_directory = ${dir}/queue`,
    `data_directory = ${dir}/data`,
    `maillog_file = ${dir}/mail.log`,
    `maillog_file_prefixes = ${dir}`,
    `myhostname = ${config.hostname}`,
    `inet_interfaces = ${LOOPBACK}`,
    'inet_protocols = ipv4',
    `mynetworks = ${LOOPBACK}/32`,
    'mydestination =',
    'alias_maps =',
    'alias_database =',
    `message_size_limit = ${config.messageSizeLimit}`,
    'virtual_mailbox_limit = 0',
    'biff = no',
    // Mail stays as the client sent it: no header is added or completed for "local" clients.
    'local_header_rewrite_clients =',
    // A mail is never sent on to another host: what no map takes is thrown away.
    'default_transport = discard',
    'relay_transport = discard',
    `transport_maps = hash:${dir}/tables/transport`,
    `smtpd_recipient_restrictions = check_recipient_access hash:${dir}/tables/recipients`,
  ];
  if (config.mode === 'mailbox') {
    // One maildir takes every address of every domain; X-Original-To tells them apart.
    lines.push(
      `virtual_mailbox_domains = regexp:${dir}/tables/any`,
      'virtual_mailbox_maps = static:all/',
      `virtual_mailbox_base = ${dir}/mail`,
      `virtual_uid_maps = static:${MAIL_UID}`,
      `virtual_gid_maps = static:${MAIL_UID}`,
    );
  }
  lines.push(...tlsLines(config), ...saslLines(config));
  return `${lines.join('\n')}\n`;
}

function tlsLines({ certificate }: PostfixConfig): string[] {
  if (certificate === undefined) return ['smtpd_tls_security_level = none'];
  return [
    'smtpd_tls_security_level = may',
    `smtpd_tls_cert_file = ${certificate.certificateFile}`,
    `smtpd_tls_key_file = ${certificate.keyFile}`,
    'smtpd_tls_auth_only = yes',
  ];
}

function saslLines({ hostname, sasl }: PostfixConfig): string[] {
  if (!sasl) return ['smtpd_relay_restrictions = permit_mynetworks, reject'];
  return [
    'smtpd_sasl_auth_enable = yes',
    'smtpd_sasl_type = cyrus',
    'smtpd_sasl_path = smtpd',
    // The realm of the users; smtpd.conf is looked for in config_directory/sasl (Debian's build).
    `smtpd_sasl_local_domain = ${hostname}`,
    'smtpd_relay_restrictions = permit_sasl_authenticated, reject',
  ];
}

/** master.cf: the services of Debian's own file that such an instance uses, none in a chroot (fifth column). */
export function masterCf(config: PostfixConfig): string {
  const smtps = config.smtpsPort;
  return [
    `${LOOPBACK}:${config.port} inet n - n - - smtpd -o rewrite_service_name=rewrite-front`,
    ...(smtps === undefined
      ? []
      : [
          `${LOOPBACK}:${smtps} inet n - n - - smtpd -o rewrite_service_name=rewrite-front -o smtpd_tls_wrappermode=yes`,
        ]),
    'cleanup unix n - n - 0 cleanup',
    'qmgr unix n - n 300 1 qmgr',
    'pickup unix n - n 60 1 pickup',
    'tlsmgr unix - - n 1000? 1 tlsmgr',
    'rewrite unix - - n - - trivial-rewrite',
    // smtpd refuses at RCPT what the transport table gives to error(8); it must not see that table, so that such mail
    // is accepted first and returned afterwards.
    'rewrite-front unix - - n - - trivial-rewrite -o transport_maps=',
    'bounce unix - - n - 0 bounce',
    'defer unix - - n - 0 bounce',
    'trace unix - - n - 0 bounce',
    'verify unix - - n - 1 verify',
    'flush unix n - n 1000? 0 flush',
    'proxymap unix - - n - - proxymap',
    'proxywrite unix - - n - 1 proxymap',
    'error unix - - n - - error',
    'retry unix - - n - - error',
    'discard unix - - n - - discard',
    'virtual unix - n n - - virtual',
    'anvil unix - - n - 1 anvil',
    'scache unix - - n - 1 scache',
    'postlog unix-dgram n - n - 1 postlogd',
    '',
  ].join('\n');
}

/** Addresses and what Postfix answers or does for them. */
export interface RecipientRules {
  /** Refused for good at RCPT, by the text of the answer: `550 5.1.1 no such user`. */
  readonly rejectRecipients?: Readonly<Record<string, string>>;
  /** Refused for now at RCPT: `450 4.2.1 mailbox busy`. */
  readonly deferRecipients?: Readonly<Record<string, string>>;
  /** Accepted, then returned to the envelope sender as a delivery status notification: `5.1.1 no such user`. */
  readonly bounceRecipients?: Readonly<Record<string, string>>;
}

const ADDRESS = /^[^\s@]+@[^\s@]+$/;

/**
 * The access and transport tables of these rules.
 *
 * @throws Error for what is no address, or a text that does not begin with a fitting code
 */
export function ruleTables(rules: RecipientRules): { recipients: string; transport: string } {
  const lines = (table: Readonly<Record<string, string>> = {}, text: RegExp, prefix = '') =>
    Object.entries(table).map(([address, answer]) => {
      if (!ADDRESS.test(address)) throw new Error(`not an address: ${JSON.stringify(address)}`);
      if (!text.test(answer)) throw new Error(`not an answer for ${address}: ${JSON.stringify(answer)}`);
      return `${address.toLowerCase()} ${prefix}${answer}\n`;
    });
  const rejected = lines(rules.rejectRecipients, /^5\d\d 5\.\d+\.\d+ [\x20-\x7e]+$/);
  const deferred = lines(rules.deferRecipients, /^4\d\d 4\.\d+\.\d+ [\x20-\x7e]+$/);
  const bounced = lines(rules.bounceRecipients, /^5\.\d+\.\d+ [\x20-\x7e]+$/, 'error:');
  return { recipients: [...rejected, ...deferred].join(''), transport: bounced.join('') };
}
