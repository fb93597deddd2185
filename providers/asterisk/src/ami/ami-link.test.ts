import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeWithPeer } from '@ictcore/test-peers';
import { AsteriskInstance } from '../config/asterisk-instance';
import { CutProxy } from '../testing/cut-proxy';
import { gatewayOptions, removeFolder } from '../testing/gateway';
import { amiVariable } from './ami-encode';
import { amiErrorCode } from './ami-error';
import { AmiLink, type AmiLinkOptions } from './ami-link';
import { type AmiMessage, field } from './ami-message';

describeWithPeer('asterisk', 'AmiLink on a real Asterisk', () => {
  let asterisk: AsteriskInstance;
  let dir: string;
  let proxy: CutProxy;
  const links: AmiLink[] = [];
  const errors: unknown[] = [];

  const link = (more: Partial<AmiLinkOptions> = {}) => {
    const made = new AmiLink({
      ...asterisk.layout.ami,
      port: proxy.port,
      minBackoffMs: 50,
      maxBackoffMs: 200,
      onListenerError: (error) => errors.push(error),
      ...more,
    });
    links.push(made);
    return made;
  };
  const ready = async (made: AmiLink) => {
    made.start();
    await made.whenReady(5000);
    return made;
  };
  const next = <E extends 'down' | 'unauthorized'>(made: AmiLink, event: E) =>
    new Promise<string>((resolve) => {
      const off = made.on(event, (why: string) => {
        off();
        resolve(why);
      });
    });
  const codeOf = (promise: Promise<unknown>) =>
    promise.then(
      () => 'none',
      (error) => amiErrorCode(error) ?? error,
    );

  beforeAll(async () => {
    const options = await gatewayOptions();
    dir = options.dir;
    asterisk = await AsteriskInstance.prepare(options);
    await asterisk.start();
  });
  beforeEach(async () => {
    proxy = await CutProxy.start(asterisk.layout.ami.port);
  });
  afterEach(async () => {
    for (const each of links.splice(0)) each.stop();
    await proxy.stop();
    expect(errors.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    await asterisk?.stop();
    await removeFolder(dir);
  });

  test('sends actions, gets responses, lists and events, all in one shape', async () => {
    const ami = await ready(link());
    const seen: AmiMessage[] = [];
    ami.on('event', (message) => seen.push(message));
    expect(field(await ami.send({ action: 'Ping' }), 'ping')).toBe('Pong');
    expect(await ami.list({ action: 'CoreShowChannels' })).toEqual([]);
    expect(await ami.list({ action: 'PJSIPShowEndpoints' })).toEqual([]);
    await ami.send({ action: 'UserEvent', UserEvent: 'Kit', Data: 'a=1, "b"; c: d' });
    await sleep(100);
    const user = seen.find(({ event }) => event === 'UserEvent');
    expect(user?.fields).toMatchObject({ userevent: 'Kit', data: 'a=1, "b"; c: d' });
    expect(await codeOf(ami.send({ action: 'NoSuchAction' }))).toBe('refused');
  });

  test('a hundred actions at once each get their own answer', async () => {
    const ami = await ready(link());
    const keys = Array.from({ length: 100 }, (_, index) => `n${index}`);
    await Promise.all(keys.map((key) => ami.send({ action: 'DBPut', Family: 'kit', Key: key, Val: `v-${key}` })));
    const values = await Promise.all(keys.map((key) => ami.list({ action: 'DBGet', Family: 'kit', Key: key })));
    expect(values.map(([value]) => value && field(value, 'val'))).toEqual(keys.map((key) => `v-${key}`));
  });

  test('defect 1: line breaks and NUL inject actions: refused, nothing is written', async () => {
    const ami = await ready(link());
    const before = proxy.sent;
    const nasty = ['x\r\nAction: Originate', 'x\nAction: Command', 'x\r', 'a\0b'];
    for (const Val of nasty) {
      expect(await codeOf(ami.send({ action: 'DBPut', Family: 'kit', Key: 'k', Val }))).toBe('invalid');
      expect(await codeOf(ami.send({ action: 'Originate', Variable: { X: Val } }))).toBe('invalid');
      expect(await codeOf(ami.send({ action: `Ping${Val}` }))).toBe('invalid');
    }
    expect(await codeOf(ami.send({ action: 'Ping', 'X: y\r\nAction': 'Logoff' }))).toBe('invalid');
    expect(await codeOf(ami.send({ action: 'Ping' }, { id: 'a\r\nAction: Logoff' }))).toBe('invalid');
    expect(await codeOf(ami.send({ action: 'Ping', Long: 'x'.repeat(5000) }))).toBe('invalid');
    expect(proxy.sent).toBe(before);
    expect(() => link({ secret: 'a\r\nAction: Logoff' })).toThrow('a line break');
    expect(field(await ami.send({ action: 'Ping' }), 'ping')).toBe('Pong');
  });

  test('a value of the longest length goes through whole', async () => {
    const ami = await ready(link());
    const Val = 'v'.repeat(900);
    await ami.send({ action: 'DBPut', Family: 'kit', Key: 'long', Val });
    const [got] = await ami.list({ action: 'DBGet', Family: 'kit', Key: 'long' });
    expect(field(got as AmiMessage, 'val')).toBe(Val);
  });

  test('defect 3 and 4: an action in flight at a drop is rejected, and one sent while down too', async () => {
    const ami = await ready(link({ minBackoffMs: 300 }));
    proxy.freeze();
    const inFlight = [ami.send({ action: 'Ping' }), ami.list({ action: 'CoreShowChannels' })].map(codeOf);
    await sleep(20);
    proxy.cut();
    expect(await Promise.all(inFlight)).toEqual(['down', 'down']);
    expect(await codeOf(ami.send({ action: 'Ping' }))).toBe('unsent');
    proxy.thaw();
    await ami.whenReady(5000);
    expect(field(await ami.send({ action: 'Ping' }), 'ping')).toBe('Pong');
  });

  test('defect 5: after a drop in mid-event the next login is recognised and actions run', async () => {
    const ami = await ready(link());
    for (let round = 0; round < 3; round += 1) {
      const down = next(ami, 'down');
      proxy.cutWithin('Event: UserEvent', 9);
      await ami.send({ action: 'UserEvent', UserEvent: 'Kit', Data: 'x' }).catch(() => undefined);
      expect(await down).toMatch(/closed|ECONNRESET/);
      await ami.whenReady(5000);
      expect(field(await ami.send({ action: 'Ping' }), 'ping')).toBe('Pong');
    }
    expect(proxy.connections).toBe(4);
  });

  test('defect 6: reconnects by itself within its backoff, and does not print', async () => {
    const print = jest.spyOn(console, 'log').mockImplementation(() => undefined);
    const ami = await ready(link());
    const begin = Date.now();
    proxy.cut();
    await next(ami, 'down');
    await ami.whenReady(5000);
    expect(Date.now() - begin).toBeLessThan(1000);
    expect(print).not.toHaveBeenCalled();
    print.mockRestore();
  });

  test('defect 7: a wrong password is told, and never counts as a link', async () => {
    const ami = link({ secret: 'wrong' });
    const told = next(ami, 'unauthorized');
    ami.start();
    expect(await told).toMatch(/Authentication failed/);
    expect(ami.isReady).toBe(false);
    expect(await codeOf(ami.whenReady(300))).toBe('unsent');
  });

  test('defect 9: a silent link is noticed by the watchdog, and an action times out', async () => {
    const ami = await ready(link({ pingMs: 200, loginTimeoutMs: 500 }));
    proxy.freeze();
    expect(await codeOf(ami.send({ action: 'Ping' }, { timeoutMs: 100 }))).toBe('timeout');
    expect(await next(ami, 'down')).toBe('no answer to a ping');
    proxy.thaw();
    await ami.whenReady(5000);
  });

  test('defect 2: variables of Originate arrive as they are; VarSet comes with its value', async () => {
    const ami = await ready(link());
    const nasty = ['a,b', '"quoted"', 'back\\slash', '$' + '{SHELL(id)}', 'x=y;z', "it's", 'ü€🎉', '', 'a\\,"b'];
    for (const [index, value] of nasty.entries()) {
      const id = `kit-${index}`;
      const ended = new Promise<AmiMessage>((resolve) => {
        const off = ami.on('event', (message) => {
          if (message.event !== 'UserEvent' || field(message, 'userevent') !== 'IctEnd') return;
          off();
          resolve(message);
        });
      });
      await ami.send({
        action: 'Originate',
        Channel: 'Local/s@ict-end',
        Context: 'ict-voice',
        Exten: 's',
        Priority: 1,
        Async: true,
        ChannelId: id,
        Variable: { ICT_FILE: amiVariable(value) },
      });
      const data = new URLSearchParams(field(await ended, 'data').replaceAll('+', '%2B'));
      expect([index, data.get('file')]).toEqual([index, value]);
    }
  });

  test('a listener that throws is reported and ends nothing', async () => {
    const ami = await ready(link());
    ami.on('event', () => {
      throw new Error('bad listener');
    });
    await ami.send({ action: 'UserEvent', UserEvent: 'Kit' });
    await sleep(50);
    expect(errors.splice(0).length).toBeGreaterThan(0);
    expect(field(await ami.send({ action: 'Ping' }), 'ping')).toBe('Pong');
  });

  test('stop rejects what is in flight, closes the socket and does not come back', async () => {
    const ami = await ready(link());
    proxy.freeze();
    const open = codeOf(ami.send({ action: 'Ping' }));
    ami.stop();
    expect(await open).toBe('down');
    await sleep(500);
    expect(proxy.connections).toBe(1);
  });
});

describe('AmiLink and a peer that is no Asterisk (a fake)', () => {
  let server: Server;
  const sockets = new Set<import('node:net').Socket>();
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const fake = async (behave: (socket: import('node:net').Socket) => void) => {
    server = createServer((socket) => {
      sockets.add(socket.on('error', () => undefined));
      behave(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    return new AmiLink({
      host: '127.0.0.1',
      port,
      username: 'u',
      secret: 's',
      loginTimeoutMs: 300,
      minBackoffMs: 5000,
    });
  };

  test('buffers are bounded: a message without end drops the link', async () => {
    let received = 0;
    const ami = await fake((socket) => {
      const chunk = Buffer.alloc(256 * 1024, 'x');
      const timer = setInterval(() => {
        received += chunk.length;
        socket.write(chunk);
      }, 5);
      socket.on('close', () => clearInterval(timer));
    });
    ami.start();
    await sleep(250);
    ami.stop();
    expect(received).toBeLessThan(4 * 1024 * 1024);
  });

  test('a server that never answers the login is given up', async () => {
    let closed = false;
    const ami = await fake((socket) =>
      socket
        .on('close', () => {
          closed = true;
        })
        .resume(),
    );
    ami.start();
    await sleep(500);
    expect(closed).toBe(true);
    expect(ami.isReady).toBe(false);
    ami.stop();
  });
});
