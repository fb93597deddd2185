import { isIP } from 'node:net';
import { type IniSection, renderIni, UnwritableValueError } from './ini';
import type { AsteriskLayout } from './layout';

/** A SIP trunk to a carrier: what a provider row of type `sip` comes to. */
export interface TrunkConfig {
  /** Names it in Asterisk; see {@link trunkName}. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly password: string;
  /** Whether we register there, so that the carrier sends calls to us. */
  readonly register: boolean;
  /** Codecs in order of preference. */
  readonly codecs: readonly string[];
  readonly t38: boolean;
  readonly dtmf: 'rfc4733' | 'inband' | 'info' | 'auto';
  /** Where the caller's number goes: `pai` (the From user is our account), or `from`. */
  readonly callerId: 'pai' | 'from';
  /** Seconds between the probes (SIP OPTIONS) that tell whether the carrier is there; 0 never probes. */
  readonly qualifySeconds: number;
  /** Seconds a registration is asked for. */
  readonly registrationSeconds: number;
}

/** A SIP phone of an account that registers to us. */
export interface ExtensionConfig {
  /** Its number, which is also its user name: 1 to 20 digits. */
  readonly number: string;
  readonly password: string;
  /** Shown to those it calls. */
  readonly name: string;
}

/** The name of a provider's trunk in Asterisk: by id, so that renaming a provider breaks nothing. */
export function trunkName(providerId: number): string {
  return `trunk-${providerId}`;
}

/** The provider that a channel such as `PJSIP/trunk-12-0000001f` belongs to, undefined for none. */
export function providerOfChannel(channel: string): number | undefined {
  const id = /^PJSIP\/trunk-(\d+)-[0-9a-f]+$/.exec(channel)?.[1];
  return id === undefined ? undefined : Number(id);
}

/** `pjsip_wizard.conf`: all trunks and phones. Throws UnwritableValueError for values that cannot be written. */
export function wizardConfig(
  trunks: readonly TrunkConfig[],
  extensions: readonly ExtensionConfig[],
  sip: AsteriskLayout['sip'],
): string {
  const sections = [
    ...[...trunks].sort((a, b) => a.name.localeCompare(b.name)).map((trunk) => trunkSection(trunk, sip)),
    ...[...extensions].sort((a, b) => a.number.localeCompare(b.number)).map((each) => extensionSection(each, sip)),
  ];
  return `; Written by ICTCore: changes are overwritten.\n${renderIni(sections)}`;
}

/** The address that `remote_hosts` takes. */
function remoteHost({ host, port }: TrunkConfig): string {
  if (isIP(host) === 6) return `[${host}]:${port}`;
  if (
    isIP(host) === 0 &&
    !/^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(host)
  ) {
    throw new UnwritableValueError('host', 'neither a host name nor an address');
  }
  return `${host}:${port}`;
}

function trunkSection(trunk: TrunkConfig, sip: AsteriskLayout['sip']): IniSection {
  const authenticates = trunk.username !== '' && trunk.password !== '';
  if (trunk.username !== '' && !/^[\w.+~!$*'()%@-]+$/.test(trunk.username)) {
    throw new UnwritableValueError('username', 'not a SIP user');
  }
  const user = trunk.username.split('@')[0] ?? '';
  const entries: (readonly [string, string | number | boolean])[] = [
    ['type', 'wizard'],
    ['transport', 'udp'],
    ['remote_hosts', remoteHost(trunk)],
    ['sends_auth', authenticates],
    ['sends_registrations', trunk.register],
    ['accepts_registrations', false],
    ['endpoint/context', 'from-trunk'],
    ['endpoint/allow', `!all,${trunk.codecs.join(',')}`],
    ['endpoint/direct_media', false],
    ['endpoint/dtmf_mode', trunk.dtmf],
    ['endpoint/rtp_timeout', 60],
    ['endpoint/set_var', `ICT_TRUNK=${trunk.name}`],
    ['endpoint/t38_udptl', trunk.t38],
    ['endpoint/trust_id_inbound', true],
    ['aor/qualify_frequency', trunk.qualifySeconds],
    ...boundMedia(sip),
  ];
  if (trunk.t38) entries.push(['endpoint/t38_udptl_ec', 'redundancy'], ['endpoint/t38_udptl_maxdatagram', 400]);
  if (trunk.callerId === 'pai') {
    entries.push(['endpoint/send_pai', true], ['endpoint/trust_id_outbound', true]);
    if (user !== '') entries.push(['endpoint/from_user', user]);
  }
  if (authenticates) {
    entries.push(['outbound_auth/username', trunk.username], ['outbound_auth/password', trunk.password]);
  }
  if (trunk.register) {
    entries.push(
      // A carrier's slip (401 while its database is away) must not end the trunk for good; slow enough for bans.
      ['registration/auth_rejection_permanent', false],
      ['registration/retry_interval', 20],
      ['registration/forbidden_retry_interval', 60],
      ['registration/fatal_retry_interval', 300],
      ['registration/max_retries', 1_000_000],
      ['registration/max_random_initial_delay', 1],
      ['registration/expiration', trunk.registrationSeconds],
    );
  }
  return { name: trunk.name, entries };
}

function extensionSection(extension: ExtensionConfig, sip: AsteriskLayout['sip']): IniSection {
  if (!/^[0-9]{1,20}$/.test(extension.number)) throw new UnwritableValueError('number', 'not an extension');
  if (extension.password === '') throw new UnwritableValueError('password', 'an extension needs one');
  const shown = extension.name.replace(/["\\<>\p{C}]/gu, '').slice(0, 80);
  return {
    name: extension.number,
    entries: [
      ['type', 'wizard'],
      ['transport', 'udp'],
      ['accepts_registrations', true],
      ['accepts_auth', true],
      ['inbound_auth/username', extension.number],
      ['inbound_auth/password', extension.password],
      ['endpoint/context', 'from-extension'],
      ['endpoint/allow', '!all,ulaw,alaw'],
      ['endpoint/direct_media', false],
      ['endpoint/callerid', `"${shown}" <${extension.number}>`],
      ['endpoint/set_var', `ICT_ACCOUNT=${extension.number}`],
      ['aor/max_contacts', 1],
      ['aor/remove_existing', true],
      ['aor/qualify_frequency', 30],
      ...boundMedia(sip),
    ],
  };
}

/** Media goes through the same address as signalling, where there is a particular one. */
function boundMedia(sip: AsteriskLayout['sip']): (readonly [string, string | boolean])[] {
  if (sip.host === '0.0.0.0' || sip.host === '::') return [];
  return [
    ...(sip.externalAddress ? [] : [['endpoint/media_address', sip.host] as const]),
    ['endpoint/bind_rtp_to_media_address', true],
    ['endpoint/t38_bind_udptl_to_media_address', true],
  ];
}
