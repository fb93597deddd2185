import { existsSync } from 'node:fs';
import { type DovecotPeer, startDovecot } from './dovecot.peer';
import { LineDialogue } from './line-dialogue';
import { listeningAddresses } from './listeners';
import { describeWithPeer } from './peer-availability';
import { processesIn } from './peer-process';

describeWithPeer('dovecot', 'Dovecot', () => {
  let peer: DovecotPeer;

  beforeAll(async () => {
    peer = await startDovecot({ users: { fax: 's3cret word', other: 'x' }, tls: true });
  });
  afterAll(() => peer?.stop());

  const done = (tag: string) => new RegExp(`^${tag} (?:OK|NO|BAD) .*\\r\\n`, 'm');
  const open = async () => {
    const imap = await LineDialogue.connect(peer.imapsPort ?? 0, peer.caPem);
    await imap.expect(/^\* OK .*\r\n/);
    return imap;
  };

  test('refuses a wrong password', async () => {
    const imap = await open();
    expect(await imap.ask('a LOGIN fax wrong', done('a'))).toContain('a NO [AUTHENTICATIONFAILED]');
    imap.close();
  });

  test('shows a delivered mail, announces the next one in IDLE and moves it', async () => {
    await peer.deliver('fax', 'Subject: one\n\nbody\n');
    const imap = await open();
    expect(await imap.ask('a LOGIN fax "s3cret word"', done('a'))).toContain('a OK');
    expect(await imap.ask('b SELECT INBOX', done('b'))).toContain('* 1 EXISTS');
    expect(await imap.ask('c FETCH 1 BODY[]', done('c'))).toContain('Subject: one\r\n\r\nbody\r\n');
    await imap.ask('d IDLE', /^\+ .*\r\n/m);
    await peer.deliver('fax', Buffer.from('Subject: two\n\n\n'));
    expect(await imap.expect(/\* 2 EXISTS\r\n/)).toBeTruthy();
    await imap.ask('DONE', done('d'));
    await imap.ask('e CREATE Processed', done('e'));
    expect(await imap.ask('f MOVE 1 Processed', done('f'))).toContain('f OK');
    expect(await imap.ask('g STATUS Processed (MESSAGES)', done('g'))).toContain('MESSAGES 1');
    imap.close();
  });

  test('the plain port offers STARTTLS with the same certificate', async () => {
    const imap = await LineDialogue.connect(peer.port);
    await imap.expect(/^\* OK .*\r\n/);
    await imap.ask('a STARTTLS', /^a OK .*\r\n/);
    await imap.startTls(peer.caPem ?? '');
    expect(await imap.ask('b LOGIN other x', done('b'))).toContain('b OK');
    expect(await imap.ask('c SELECT INBOX', done('c'))).toContain('* 0 EXISTS');
    imap.close();
  });

  test('listens on loopback only; killed it refuses, restarted it has its mail; stopped it leaves nothing', async () => {
    expect(listeningAddresses(peer.dir)).toEqual(['0100007F']);
    await peer.kill();
    await expect(LineDialogue.connect(peer.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await peer.restart();
    const imap = await open();
    await imap.ask('a LOGIN fax "s3cret word"', done('a'));
    expect(await imap.ask('b SELECT INBOX', done('b'))).toContain('* 1 EXISTS');
    imap.close();
    await peer.stop();
    expect(processesIn(peer.dir)).toEqual([]);
    expect(existsSync(peer.dir)).toBe(false);
  });
});
