import type { DriverContext, Fact, InboundMessage } from '@ictcore/contract';
import type { Connection } from './link';
import {
  alphabetOf,
  decodeText,
  fingerprintOf,
  inboundNumber,
  isFlaggedReceipt,
  outcomeOfReceipt,
  payloadOf,
  type Receipt,
  receiptOf,
  refOfReceipt,
  userDataOf,
} from './message';
import { ESME, type MessageBody, type MessagePdu, TAG, tlvText } from './pdu';
import type { SmppSettings } from './smpp.settings';
import type { Stores, Whole } from './state';

/** Messages and receipts that may wait for the kernel at once; more are asked to come again. */
const MAX_WAITING = 1000;
const SWEEP_MS = 5000;

/** Takes what the carrier delivers. Nothing is acknowledged before it cannot be lost any more. */
export class Inbox {
  private readonly waiting = new Set<Promise<void>>();
  private readonly sweeper: NodeJS.Timeout;

  constructor(
    private readonly settings: SmppSettings,
    private readonly stores: Stores,
    private readonly context: DriverContext,
  ) {
    const everyMs = Math.min(SWEEP_MS, (settings.reassembly_seconds * 1000) / 4);
    this.sweeper = setInterval(() => void this.sweep(), everyMs);
  }

  /** A deliver_sm or data_sm; answers it sooner or later. */
  take(pdu: MessagePdu, connection: Connection): void {
    if (this.waiting.size >= MAX_WAITING) {
      connection.respond(pdu, ESME.RX_T_APPN);
      return;
    }
    const work = this.handle(pdu, connection).finally(() => this.waiting.delete(work));
    this.waiting.add(work);
  }

  /** A connection is over: what it acknowledged last may come again. */
  ended(connection: Connection): void {
    this.stores.guard.ended(connection);
  }

  /** Resolves when everything that has come is answered. */
  async idle(): Promise<void> {
    while (this.waiting.size > 0) await Promise.all(this.waiting);
  }

  /** Stops looking for parts that do not come. */
  close(): void {
    clearInterval(this.sweeper);
  }

  private async handle(pdu: MessagePdu, connection: Connection): Promise<void> {
    try {
      const octets = payloadOf(pdu.body);
      const alphabet = alphabetOf(pdu.body.dataCoding, this.settings.default_alphabet);
      const receipt = receiptOf(pdu.body, decodeText(octets, alphabet) ?? octets.toString('latin1'), this.settings);
      if (receipt) await this.report(receipt);
      else if (isFlaggedReceipt(pdu.body)) this.context.log.warn({}, 'smpp: a receipt without an id, left out');
      else {
        await this.message(pdu, connection);
        return;
      }
      connection.respond(pdu, ESME.ROK);
    } catch (error) {
      // "Temporary": the carrier is to send it again.
      this.context.log.warn({ error }, 'smpp: a delivery could not be stored, the carrier is asked to send it again');
      connection.respond(pdu, ESME.RX_T_APPN);
    }
  }

  private async report(receipt: Receipt): Promise<void> {
    const { ledger } = this.stores;
    const id = refOfReceipt(receipt.id, this.settings.message_id_format);
    const own = outcomeOfReceipt(receipt, id, 1);
    const { ref, segments, state, failure } = await ledger.receipt(id, own);
    if (state === 'single') await this.context.emit({ kind: 'report', ref, outcome: own });
    // Without a ref the message is still being handed over, and its hand-over will tell.
    if (state === 'single' || state === 'waiting' || ref === '') return;
    const outcome = failure ? { ...failure, ref } : outcomeOfReceipt(receipt, ref, segments);
    await this.context.emit({ kind: 'report', ref, outcome });
    await ledger.settled(ref);
  }

  private async message(pdu: MessagePdu, connection: Connection): Promise<void> {
    const { octets, concatenation } = userDataOf(pdu.body);
    if (concatenation) {
      await this.part(pdu.body, octets, concatenation);
      connection.respond(pdu, ESME.ROK);
      return;
    }
    const { guard } = this.stores;
    const ownId = tlvText(pdu.body.tlvs, TAG.receipted_message_id);
    const taking = guard.begin(connection, fingerprintOf(pdu.body), ownId ? `mo-${ownId}` : undefined);
    try {
      const { from, to } = this.parties(pdu.body);
      await this.context.emit(this.inbound(taking.ref, from, to, octets, pdu.body.dataCoding, []));
    } catch (error) {
      guard.doubt(connection, taking);
      throw error;
    }
    if (connection.respond(pdu, ESME.ROK)) taking.ackedAt = Date.now();
    else guard.doubt(connection, taking);
  }

  private async part(
    body: MessageBody,
    octets: Buffer,
    concatenation: { reference: string; total: number; number: number },
  ): Promise<void> {
    const { dataCoding } = body;
    const whole = await this.stores.reassembler.take({ ...this.parties(body), ...concatenation, dataCoding, octets });
    if (typeof whole === 'object') await this.tell(whole);
  }

  private async tell(whole: Whole): Promise<void> {
    const { reassembler } = this.stores;
    const { total, missing } = whole;
    const facts: Fact[] = [{ type: 'info', name: 'parts', data: String(total) }];
    if (missing.length > 0) facts.push({ type: 'error', name: 'parts_missing', data: missing.join(' ') });
    try {
      const { ref, from, to, octets, dataCoding } = whole;
      await this.context.emit(this.inbound(ref, from, to, octets, dataCoding, facts));
    } catch (error) {
      reassembler.notTold(whole.key);
      throw error;
    }
    await reassembler.told(whole.key);
  }

  private async sweep(): Promise<void> {
    for (const whole of this.stores.reassembler.overdue(this.settings.reassembly_seconds * 1000)) {
      this.context.log.warn({ total: whole.total, missing: whole.missing }, 'smpp: parts of a message never came');
      await this.tell(whole).catch((error: unknown) =>
        this.context.log.warn({ error }, 'smpp: an incomplete message could not be stored; tried again later'),
      );
    }
  }

  private parties(body: MessageBody): { from: string; to: string } {
    const { inbound_numbers: rule } = this.settings;
    return {
      from: inboundNumber(body.sourceTon, body.sourceAddr, rule),
      to: inboundNumber(body.destTon, body.destAddr, rule),
    };
  }

  private inbound(
    ref: string,
    from: string,
    to: string,
    octets: Buffer,
    dataCoding: number,
    facts: readonly Fact[],
  ): InboundMessage {
    const text = decodeText(octets, alphabetOf(dataCoding, this.settings.default_alphabet));
    const binary: Fact[] =
      text === undefined ? [{ type: 'message', name: 'binary', data: octets.toString('hex') }] : [];
    return {
      kind: 'inbound',
      channel: 'sms',
      from: { phone: from },
      to: { phone: to },
      ref,
      body: text === undefined ? {} : { text },
      facts: [...facts, ...binary],
    };
  }
}
