import { describeWithPeer, requirePeer } from './peer-availability';
import { PEERS } from './peer-catalogue';
import { installCommand, installPeers, missingPeers } from './peer-install';

const ABSENT = { packages: ['no-such-package'], files: ['/nonexistent/peer'], needsRoot: false };
const kept = { ...process.env };

afterEach(() => {
  jest.restoreAllMocks();
  process.env = { ...kept };
});

/** Makes postfix look as if it were not installed, to a user with this id. */
function absentFor(uid: number): void {
  jest.replaceProperty(PEERS as Record<string, unknown>, 'postfix', ABSENT);
  jest.spyOn(process as { getuid: () => number }, 'getuid').mockReturnValue(uid);
}

test('says what to run when not root', () => {
  absentFor(1000);
  expect(missingPeers(['postfix'])).toEqual(['postfix']);
  const reason = `not root and postfix is not installed: ${installCommand(['postfix'])}`;
  expect(requirePeer('postfix')).toEqual({ available: false, reason });
  expect(() => installPeers(['postfix'])).toThrow('apt-get install --no-install-recommends no-such-package');
});

test('installed is not enough for a peer that only root can start', () => {
  jest.replaceProperty(PEERS as Record<string, unknown>, 'dovecot', { packages: [], files: ['/'], needsRoot: true });
  jest.spyOn(process as { getuid: () => number }, 'getuid').mockReturnValue(1000);
  expect(requirePeer('dovecot')).toEqual({
    available: false,
    reason: 'dovecot is installed but only root can start it',
  });
});

test('root may forbid the installation', () => {
  absentFor(0);
  process.env.ICTCORE_INSTALL_PEERS = '0';
  expect(requirePeer('postfix')).toMatchObject({
    available: false,
    reason: expect.stringContaining('INSTALL_PEERS=0'),
  });
});

test('a suite without its peer is registered as skipped, with the reason in its title', () => {
  absentFor(1000);
  delete process.env.ICTCORE_REQUIRE_PEERS;
  const skip = jest.spyOn(describe, 'skip').mockImplementation(() => undefined);
  const suite = () => undefined;
  describeWithPeer(['postfix'], 'mail', suite);
  expect(skip).toHaveBeenCalledWith(expect.stringMatching(/^mail \[skipped: not root and postfix .*apt-get/), suite);
});

test('ICTCORE_REQUIRE_PEERS=1 makes it a failing test instead', () => {
  absentFor(1000);
  process.env.ICTCORE_REQUIRE_PEERS = '1';
  const bodies: (() => void)[] = [];
  jest.spyOn(globalThis, 'describe').mockImplementation(((_title: string, body: () => void) => body()) as never);
  jest.spyOn(globalThis, 'test').mockImplementation(((_title: string, body: () => void) => bodies.push(body)) as never);
  const suite = jest.fn();
  describeWithPeer('postfix', 'mail', suite);
  expect(suite).not.toHaveBeenCalled();
  expect(bodies).toHaveLength(1);
  expect(bodies[0]).toThrow('ICTCORE_REQUIRE_PEERS=1 and not root and postfix is not installed');
});
