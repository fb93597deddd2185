import { once } from 'node:events';
import { createServer as createTcp, type Server, type Socket } from 'node:net';
import { createServer as createTls } from 'node:tls';
import {
  COMMAND,
  decodePdu,
  encodePdu,
  type MessageBody,
  type MessagePdu,
  NO_TLVS,
  type Pdu,
  PduFramer,
  RESPONSE_BIT,
} from '../pdu';

/** Options of a {@link FaultySmsc}. */
export interface FaultySmscOptions {
  /** What to do in place of the ordinary answer; true if that is all. */
  on?: (pdu: Pdu, peer: FaultyPeer) => boolean;
  tls?: { key: string; cert: string };
  /** Answers submits with a receipt behind. */
  receipts?: boolean;
}

/** One client of a {@link FaultySmsc}. */
export interface FaultyPeer {
  socket: Socket;
  send(pdu: Pdu): void;
}

/**
 * A FAKE: an SMSC inside the test, on our own codec, for faults that no real one shows, and for speed beyond the
 * scripted one's. That the codec is right is proven elsewhere, by independent peers.
 */
export class FaultySmsc {
  readonly received: Pdu[] = [];
  readonly problems: string[] = [];
  readonly peers = new Set<FaultyPeer>();
  submits = 0;
  private id = 0;

  private constructor(
    private readonly server: Server,
    private readonly options: FaultySmscOptions,
  ) {
    server.on('tlsClientError', () => undefined);
    server.on(options.tls ? 'secureConnection' : 'connection', (socket: Socket) => this.accept(socket));
  }

  static async start(options: FaultySmscOptions = {}): Promise<FaultySmsc> {
    const server = options.tls ? createTls(options.tls) : createTcp();
    const smsc = new FaultySmsc(server, options);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return smsc;
  }

  get port(): number {
    return (this.server.address() as { port: number }).port;
  }

  async stop(): Promise<void> {
    for (const { socket } of this.peers) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private accept(socket: Socket): void {
    const framer = new PduFramer();
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    const peer: FaultyPeer = {
      socket,
      send: (pdu) => {
        socket.cork();
        socket.write(encodePdu(pdu));
        process.nextTick(() => socket.uncork());
      },
    };
    this.peers.add(peer);
    socket.on('close', () => this.peers.delete(peer));
    socket.on('data', (chunk: Buffer) => {
      const { frames, fault } = framer.push(chunk);
      if (fault) this.problems.push(fault);
      for (const frame of frames) {
        const decoded = decodePdu(frame);
        if (decoded.ok) this.take(decoded.pdu, peer);
        else this.problems.push(decoded.problem);
      }
    });
  }

  private take(pdu: Pdu, peer: FaultyPeer): void {
    if (pdu.command !== COMMAND.submit_sm) this.received.push(pdu);
    if (this.options.on?.(pdu, peer)) return;
    const { sequence } = pdu;
    const answer = { status: 0, sequence };
    switch (pdu.command) {
      case COMMAND.bind_transceiver:
      case COMMAND.bind_receiver:
      case COMMAND.bind_transmitter: {
        const command = ((pdu.command | RESPONSE_BIT) >>> 0) as typeof COMMAND.bind_transceiver_resp;
        peer.send({ ...answer, command, body: { systemId: 'FAULTY', tlvs: NO_TLVS } });
        return;
      }
      case COMMAND.submit_sm:
        this.submit(pdu, peer);
        return;
      case COMMAND.enquire_link:
        peer.send({ ...answer, command: COMMAND.enquire_link_resp, body: null });
        return;
      case COMMAND.unbind:
        peer.send({ ...answer, command: COMMAND.unbind_resp, body: null });
        return;
    }
  }

  private submit(pdu: MessagePdu, peer: FaultyPeer): void {
    this.submits += 1;
    this.id += 1;
    const messageId = String(this.id);
    const body = { messageId, tlvs: NO_TLVS };
    peer.send({ command: COMMAND.submit_sm_resp, status: 0, sequence: pdu.sequence, body });
    if (!this.options.receipts || pdu.body.registeredDelivery !== 1) return;
    const text = `id:${messageId} sub:001 dlvrd:001 submit date:2601010101 done date:2601010101 stat:DELIVRD err:000 text:`;
    peer.send({ command: COMMAND.deliver_sm, status: 0, sequence: this.id, body: delivery(text, 4) });
  }
}

/** The body of a deliver_sm. */
export function delivery(text: string, esmClass = 0): MessageBody {
  return {
    serviceType: '',
    sourceTon: 1,
    sourceNpi: 1,
    sourceAddr: '447700900001',
    destTon: 0,
    destNpi: 1,
    destAddr: '12345',
    esmClass,
    protocolId: 0,
    priority: 0,
    scheduleTime: '',
    validityPeriod: '',
    registeredDelivery: 0,
    replaceIfPresent: 0,
    dataCoding: 0,
    defaultMessageId: 0,
    shortMessage: Buffer.from(text, 'latin1'),
    tlvs: NO_TLVS,
  };
}
