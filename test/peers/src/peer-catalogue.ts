import { ASTERISK_STAMP, downloadAsterisk } from './asterisk.install';

/** The peers this package can start. */
export type PeerName = 'postfix' | 'smsc' | 'dovecot' | 'kannel' | 'asterisk' | 'curl' | 'tshark';

/** What a peer is made of on Debian. */
export interface PeerDescription {
  /** Debian packages, installed without recommended ones. */
  readonly packages: readonly string[];
  /** Files that exist when all of `packages` are there: looked at instead of asking dpkg, which costs 50 ms. */
  readonly files: readonly string[];
  /** Whether only root can start it (it changes to other users itself). */
  readonly needsRoot: boolean;
  /** Fetches what is no package of this release, after the packages are there. Synchronous; throws with the reason. */
  readonly prepare?: () => void;
}

/**
 * SASL in Postfix is Cyrus `sasldb`: sasl2-bin and libsasl2-modules add about 1 MB, where Dovecot's authentication
 * server (dovecot-core) would add 11 MB and a second daemon to every Postfix that asks for a password.
 */
export const PEERS: Readonly<Record<PeerName, PeerDescription>> = {
  postfix: {
    packages: ['postfix', 'sasl2-bin', 'libsasl2-modules', 'openssl'],
    files: [
      '/usr/lib/postfix/sbin/master',
      '/usr/sbin/saslpasswd2',
      '/usr/share/doc/libsasl2-modules/copyright',
      '/usr/bin/openssl',
    ],
    needsRoot: true,
  },
  smsc: {
    packages: ['libnet-smpp-perl', 'perl'],
    files: ['/usr/share/perl5/Net/SMPP.pm', '/usr/bin/perl'],
    needsRoot: false,
  },
  dovecot: {
    packages: ['dovecot-imapd', 'openssl'],
    files: ['/usr/sbin/dovecot', '/usr/lib/dovecot/imap', '/usr/bin/openssl'],
    needsRoot: true,
  },
  kannel: {
    packages: ['kannel'],
    files: ['/usr/sbin/bearerbox', '/usr/sbin/smsbox'],
    needsRoot: false,
  },
  // Asterisk itself is no package of Debian 12: it is downloaded into a folder. tiffcp makes and reads fax pages.
  asterisk: {
    packages: ['libtiff-tools'],
    files: ['/usr/bin/tiffcp', ASTERISK_STAMP],
    needsRoot: false,
    prepare: downloadAsterisk,
  },
  // Decodes captured traffic; capturing on loopback is for root.
  tshark: {
    packages: ['tshark', 'tcpdump'],
    files: ['/usr/bin/tshark', '/usr/bin/tcpdump'],
    needsRoot: true,
  },
  // The client of the README's commands: a test runs them as a reader would.
  curl: {
    packages: ['curl'],
    files: ['/usr/bin/curl'],
    needsRoot: false,
  },
};

/** Type guard for names that come from a command line. */
export function isPeerName(name: string): name is PeerName {
  return Object.hasOwn(PEERS, name);
}
