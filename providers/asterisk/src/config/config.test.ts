import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asteriskConfig } from '../asterisk.config';
import { sourceOf } from '../asterisk.plugin';
import { baseConfig } from './base-config';
import { dialplan } from './dialplan';
import { iniValue, renderIni } from './ini';
import type { AsteriskLayout } from './layout';
import { minimalConfig } from './minimal-config';
import { providerOfChannel, type TrunkConfig, trunkName, wizardConfig } from './trunks';
import { writeAtomic } from './write-atomic';

const layout: AsteriskLayout = {
  dir: '/srv/ict',
  modulesDir: '/usr/lib/asterisk/modules',
  dataDir: '/usr/share/asterisk',
  systemName: 'ict1',
  sip: { host: '127.0.0.1', port: 5060 },
  ami: { host: '127.0.0.1', port: 5038, username: 'ictcore', secret: 'very-secret' },
  rtp: { first: 10_000, last: 10_100 },
  udptl: { first: 4000, last: 4100 },
};
const trunk = (more: Partial<TrunkConfig> = {}): TrunkConfig => ({
  name: trunkName(12),
  host: 'sip.example.com',
  port: 5060,
  username: 'acme',
  password: 'pass',
  register: true,
  codecs: ['ulaw', 'alaw'],
  t38: true,
  dtmf: 'rfc4733',
  callerId: 'pai',
  qualifySeconds: 30,
  registrationSeconds: 600,
  ...more,
});
const wizard = (more: Partial<TrunkConfig> = {}) => wizardConfig([trunk(more)], [], layout.sip);

describe('values in configuration files', () => {
  test('a semicolon is escaped, everything else stands as it is', () => {
    expect(iniValue('k', 'a;b;--c#d[e]=>"f\\')).toBe('a\\;b\\;--c#d[e]=>"f\\');
    expect(iniValue('k', true)).toBe('yes');
  });
  test.each(['a\nb', 'a\rb', 'a\0b', 'a\u0085b', ' a', 'a ', 'x'.repeat(1001)])(
    '%j is refused, and not told',
    (value) => {
      expect(() => iniValue('password', value)).toThrow(/^password: /);
      try {
        iniValue('password', value);
      } catch (error) {
        expect((error as Error).message).not.toContain(value.trim().padEnd(3, '?'));
      }
    },
  );
  test.each(['a]\n[b', 'a b', '', 'a;b'])('section %j is refused', (name) => {
    expect(() => renderIni([{ name, entries: [] }])).toThrow('section');
  });
});

describe('trunks', () => {
  test('one trunk, whole', () => {
    expect(wizard()).toMatchInlineSnapshot(`
"; Written by ICTCore: changes are overwritten.
[trunk-12]
type=wizard
transport=udp
remote_hosts=sip.example.com:5060
sends_auth=yes
sends_registrations=yes
accepts_registrations=no
endpoint/context=from-trunk
endpoint/allow=!all,ulaw,alaw
endpoint/direct_media=no
endpoint/dtmf_mode=rfc4733
endpoint/rtp_timeout=60
endpoint/set_var=ICT_TRUNK=trunk-12
endpoint/t38_udptl=yes
endpoint/trust_id_inbound=yes
aor/qualify_frequency=30
endpoint/media_address=127.0.0.1
endpoint/bind_rtp_to_media_address=yes
endpoint/t38_bind_udptl_to_media_address=yes
endpoint/t38_udptl_ec=redundancy
endpoint/t38_udptl_maxdatagram=400
endpoint/send_pai=yes
endpoint/trust_id_outbound=yes
endpoint/from_user=acme
outbound_auth/username=acme
outbound_auth/password=pass
registration/auth_rejection_permanent=no
registration/retry_interval=20
registration/forbidden_retry_interval=60
registration/fatal_retry_interval=300
registration/max_retries=1000000
registration/max_random_initial_delay=1
registration/expiration=600
"
`);
  });
  test('without registration, login, T.38 or probes; bound to all addresses', () => {
    const text = wizardConfig(
      [trunk({ register: false, username: '', password: '', t38: false, callerId: 'from', qualifySeconds: 0 })],
      [],
      { host: '0.0.0.0', port: 5060 },
    );
    expect(text).toContain('sends_registrations=no\n');
    expect(text).toContain('sends_auth=no\n');
    expect(text).not.toMatch(/outbound_auth|registration\/|from_user|media_address|t38_udptl_ec|send_pai/);
  });
  test('passwords with semicolons are escaped, line breaks refused', () => {
    expect(wizard({ password: 'a;b' })).toContain('outbound_auth/password=a\\;b\n');
    expect(() => wizard({ password: 'a\n[evil]' })).toThrow('outbound_auth/password');
  });
  const hosts = ['a b', 'a;b', 'a\nb', 'a/b', '-a', '', 'a..b', 'a,b', 'sip:a', 'a@b', '[::1'];
  test.each(hosts)('host %j is refused', (host) => {
    expect(() => wizard({ host })).toThrow('host');
  });
  test('IPv6 hosts are bracketed', () => expect(wizard({ host: '::1' })).toContain('remote_hosts=[::1]:5060\n'));
  test.each(['a b', 'a;b', 'a"b', 'a\nb'])('user name %j is refused', (username) => {
    expect(() => wizard({ username })).toThrow('username');
  });
  test.each(['12a', '*1', '', '1 2', '../x', '1]\n[x'])('extension %j is refused', (number) => {
    expect(() => wizardConfig([], [{ number, password: 'x', name: '' }], layout.sip)).toThrow('number');
  });
  test('an extension; its name cannot leave its quotes', () => {
    const text = wizardConfig([], [{ number: '1200', password: 'p;w', name: 'A" <9>\\\n' }], layout.sip);
    expect(text).toContain('endpoint/callerid="A 9" <1200>\n');
    expect(text).toContain('inbound_auth/password=p\\;w\n');
  });
  test('trunks are sorted: the same trunks give the same file', () => {
    const [a, b] = [trunk({ name: 'trunk-1' }), trunk({ name: 'trunk-2' })];
    expect(wizardConfig([a, b], [], layout.sip)).toBe(wizardConfig([b, a], [], layout.sip));
  });
  test('channels tell their provider', () => {
    expect(providerOfChannel('PJSIP/trunk-12-0000001f')).toBe(12);
    expect(providerOfChannel('PJSIP/1200-0000001f')).toBeUndefined();
    expect(providerOfChannel('Local/trunk-12-1')).toBeUndefined();
  });
});

describe('the rest of the configuration', () => {
  test('folders and names that Asterisk would misread are refused', () => {
    for (const dir of ['relative', '/a b', '/a;b', '/a\nb'])
      expect(() => baseConfig({ ...layout, dir })).toThrow('plain');
    expect(() => baseConfig({ ...layout, systemName: 'a-b' })).toThrow('systemName');
  });
  test('the manager listens where it is told and lets only us in', () => {
    const text = baseConfig(layout)['manager.conf'] ?? '';
    expect(text).toContain('bindaddr=127.0.0.1\nport=5038\n');
    expect(text).toContain('webenabled=no\n');
    expect(text).not.toMatch(/write=.*\b(command|all)\b/);
  });
  test('the dialplan never changes with what users enter', () => {
    expect(dialplan('/srv/received')).toBe(dialplan('/srv/received'));
    expect(baseConfig(layout)['extensions.conf']).not.toMatch(/SHELL|System\(|TrySystem|EVAL\(/);
  });
  test('behind NAT the public address is told', () => {
    const sip = {
      host: '0.0.0.0',
      port: 5060,
      externalAddress: '198.51.100.7',
      localNets: ['10.0.0.0/8', '192.168.0.0/16'],
    };
    const text = baseConfig({ ...layout, sip })['pjsip.conf'] ?? '';
    expect(text).toContain('external_media_address=198.51.100.7\n');
    expect(text.match(/local_net=/g)).toHaveLength(2);
  });
  test('for an Asterisk of somebody else: what it needs, by file', () => {
    const source = sourceOf(asteriskConfig.parse({ mode: 'existing', dir: '/srv/ict', ami_secret: 'word' }));
    if (!('existing' in source)) throw new Error('not existing');
    const text = minimalConfig(source.existing);
    expect(Object.keys(text).sort()).toEqual([
      'cel.conf',
      'cel_custom.conf',
      'extensions.conf',
      'manager.conf',
      'modules.conf',
      'pjsip.conf',
      'pjsip_wizard.conf',
    ]);
    expect(text['manager.conf']).toContain('[ictcore]\nsecret=word\n');
    expect(text['extensions.conf']).toContain('/srv/ict/received/');
    expect(sourceOf(asteriskConfig.parse({}))).toMatchObject({ local: { binary: '/usr/sbin/asterisk' } });
  });
});

describe('writing files', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'ictcore-write-'));
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  test('replaced in one step, readable by the owner only, left alone when nothing changes', async () => {
    const file = join(dir, 'a.conf');
    await writeFile(file, 'old', { mode: 0o644 });
    expect(await writeAtomic(file, 'new')).toBe(true);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'utf8')).toBe('new');
    const { mtimeMs } = await stat(file);
    expect(await writeAtomic(file, 'new')).toBe(false);
    expect((await stat(file)).mtimeMs).toBe(mtimeMs);
    expect(await readdir(dir)).toEqual(['a.conf']);
  });
  test('a failure leaves the old file and no other', async () => {
    const file = join(dir, 'folder');
    await mkdir(file);
    await expect(writeAtomic(file, 'x')).rejects.toThrow();
    expect((await readdir(dir)).sort()).toEqual(['a.conf', 'folder']);
    await chmod(file, 0o700);
  });
});
