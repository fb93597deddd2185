import { PEERS, type PeerName } from './peer-catalogue';
import { installCommand, installPeers, isRoot, missingPeers } from './peer-install';

/** Whether a peer can be started here, and if not, why and what to do about it. */
export type PeerAvailability = { readonly available: true } | { readonly available: false; readonly reason: string };

/**
 * Says whether a peer can be started; as root its missing Debian packages are installed first, which can take half a
 * minute (`ICTCORE_INSTALL_PEERS=0` forbids it).
 *
 * @example
 * const postfix = requirePeer('postfix');
 * if (!postfix.available) console.log(postfix.reason);
 */
export function requirePeer(name: PeerName): PeerAvailability {
  const missing = missingPeers([name]).length > 0;
  const command = installCommand([name]);
  if (missing && !isRoot()) return { available: false, reason: `not root and ${name} is not installed: ${command}` };
  if (PEERS[name].needsRoot && !isRoot()) {
    return { available: false, reason: `${name} is installed but only root can start it` };
  }
  if (!missing) return { available: true };
  if (process.env.ICTCORE_INSTALL_PEERS === '0') {
    return { available: false, reason: `${name} is not installed and ICTCORE_INSTALL_PEERS=0: ${command}` };
  }
  try {
    installPeers([name]);
    return { available: true };
  } catch (error) {
    return { available: false, reason: (error as Error).message };
  }
}

/**
 * A jest suite that needs real peers. Runs when all are available; otherwise it is reported as skipped with the reason
 * in its title, and with `ICTCORE_REQUIRE_PEERS=1` (continuous integration) it fails: it never passes unseen.
 */
export function describeWithPeer(name: PeerName | readonly PeerName[], title: string, suite: () => void): void {
  const names = typeof name === 'string' ? [name] : name;
  const reasons = names.map((each) => requirePeer(each)).flatMap((peer) => (peer.available ? [] : [peer.reason]));
  if (reasons.length === 0) {
    describe(title, suite);
  } else if (process.env.ICTCORE_REQUIRE_PEERS === '1') {
    describe(title, () => {
      test(`needs ${names.join(' and ')}`, () => {
        throw new Error(`ICTCORE_REQUIRE_PEERS=1 and ${reasons.join('; ')}`);
      });
    });
  } else {
    describe.skip(`${title} [skipped: ${reasons.join('; ')}]`, suite);
  }
}
