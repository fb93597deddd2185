import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort, LOOPBACK, makePeerFolder, readLog, removePeer, spawnPeer, waitFor } from './peer-process';

const SCRIPT = join(__dirname, '..', 'assets', 'smsc.pl');
const TIMEOUT_MS = 10_000;

/** Final state in a receipt (SMPP 3.4 appendix B). */
export type ReceiptStatus = 'DELIVRD' | 'EXPIRED' | 'DELETED' | 'UNDELIV' | 'ACCEPTD' | 'UNKNOWN' | 'REJECTD';

/** How the SMSC behaves; all of it can be changed while it runs ({@link SmscPeer.set}). */
export interface SmscBehaviour {
  /** Credentials it asks for; others get ESME_RINVSYSID (0x0f) or ESME_RINVPASWD (0x0e). `test` / `secret`. */
  readonly systemId?: string;
  readonly password?: string;
  /** Closes the link at the submit_sm after this many on one link, unanswered; once. 0, the default, is never. */
  readonly dropAfter?: number;
  /** Every n-th submit_sm gets ESME_RTHROTTLED (0x58). 0, the default, is never. */
  readonly throttleEvery?: number;
  /** Command status for submit_sm by destination, for example `{'4470000': 0x0b}` (ESME_RINVDSTADR). */
  readonly refuse?: Readonly<Record<string, number>>;
  /** Never answers enquire_link: the link looks open and is dead. */
  readonly silentEnquireLink?: boolean;
  /** Never answers submit_sm, sends no receipt either. */
  readonly silentSubmit?: boolean;
  /**
   * How ids look: `hex_then_decimal` is hexadecimal in submit_sm_resp and ten decimal digits in the receipt, as
   * some real centres do; `hex` and `decimal` (default) are the same in both.
   */
  readonly idFormat?: 'decimal' | 'hex' | 'hex_then_decimal';
  /** Milliseconds from the answer to the receipt, 0 by default. */
  readonly receiptDelayMs?: number;
  /** `reversed` collects receipts until none came for `receiptDelayMs`, then sends the last one first. */
  readonly receiptOrder?: 'sent' | 'reversed';
  /** Sends the receipt before the submit_sm_resp that tells its id. */
  readonly receiptBeforeResponse?: boolean;
  /** Whether receipts carry receipted_message_id and message_state beside their text; true by default. */
  readonly receiptTlv?: boolean;
  /** Final state of every message, `DELIVRD` by default, and of those to certain destinations. */
  readonly status?: ReceiptStatus;
  readonly statusOf?: Readonly<Record<string, ReceiptStatus>>;
}

/** Options of {@link startSmppSmsc}. */
export interface SmscOptions extends SmscBehaviour {
  /** Port on 127.0.0.1; a free one by default. */
  readonly port?: number;
}

/** Something the SMSC saw or did. `link` counts connections from 1; numbers are as on the wire. */
export type SmscEvent =
  | { readonly event: 'connection'; readonly link: number }
  | {
      readonly event: 'bind';
      readonly link: number;
      readonly mode: string;
      readonly status: number;
      readonly systemId: string;
    }
  | ({ readonly event: 'submit' } & SmscSubmit)
  | { readonly event: 'receipt'; readonly link: number; readonly id: string; readonly seq: number }
  | { readonly event: 'deliver_resp'; readonly link: number; readonly seq: number; readonly status: number }
  | { readonly event: 'enquire_link'; readonly link: number; readonly answered: boolean }
  | { readonly event: 'closed'; readonly link: number; readonly why: string }
  | { readonly event: 'response' | 'unknown'; readonly link: number; readonly command: number };

/** A submit_sm as the SMSC decoded it. */
export interface SmscSubmit {
  readonly link: number;
  /** The id in the answer, empty when refused. */
  readonly id: string;
  /** Command status of the answer. */
  readonly status: number;
  readonly from: string;
  readonly to: string;
  readonly fromTon: number;
  readonly fromNpi: number;
  readonly toTon: number;
  readonly toNpi: number;
  readonly dataCoding: number;
  readonly esmClass: number;
  readonly registeredDelivery: number;
  /** short_message or message_payload, user data header included, in hexadecimal. */
  readonly hex: string;
}

/** A mobile-originated message to inject. */
export interface SmscInbound {
  readonly from: string;
  readonly to: string;
  /** The bytes of short_message (at most 254), in the alphabet that `dataCoding` names. */
  readonly message: Buffer;
  /** data_coding, 0 (SMSC default alphabet) by default, 8 for UCS-2. */
  readonly dataCoding?: number;
  /** esm_class, 0 by default, 0x40 when `message` begins with a user data header. */
  readonly esmClass?: number;
}

/** Answer of the script to a command: of `inbound`, the sequence number, or why it could not be sent. */
interface CommandReply {
  readonly event: 'reply';
  readonly reference: number;
  readonly seq?: number;
  readonly error?: string;
}
type ScriptReply = CommandReply | { readonly event: 'listening' };

const DEFAULTS = {
  systemId: 'test',
  password: 'secret',
  dropAfter: 0,
  throttleEvery: 0,
  refuse: {},
  silentEnquireLink: false,
  silentSubmit: false,
  idFormat: 'decimal',
  receiptDelayMs: 0,
  receiptOrder: 'sent',
  receiptBeforeResponse: false,
  receiptTlv: true,
  status: 'DELIVRD',
  statusOf: {},
  // Large enough that its hexadecimal form has letters: 0x4c4b400 and up.
  firstId: 80_000_000,
} as const;

/** Starts a scripted SMSC (SMPP 3.4) on loopback, with the codec of Debian's libnet-smpp-perl. */
export async function startSmppSmsc(options: SmscOptions = {}): Promise<SmscPeer> {
  const dir = await makePeerFolder('smsc');
  try {
    const port = options.port ?? (await freePort());
    const settings = JSON.stringify({ ...DEFAULTS, ...options, port });
    const child = spawnPeer('perl', [SCRIPT, settings], { dir, pipes: true });
    const peer = new SmscPeer(port, dir, child);
    await peer.waitUntilListening();
    return peer;
  } catch (error) {
    await removePeer(dir);
    throw error;
  }
}

/** A running SMSC. */
export class SmscPeer {
  readonly host = LOOPBACK;
  /** Everything it saw and did, oldest first. */
  readonly events: SmscEvent[] = [];

  private readonly replies = new Map<number, CommandReply>();
  private references = 0;
  private listening = false;

  constructor(
    readonly port: number,
    private readonly dir: string,
    private readonly child: ChildProcess,
  ) {
    if (child.stdout === null) throw new Error('the SMSC has no output');
    createInterface({ input: child.stdout }).on('line', (line) => this.receive(line));
    child.stdin?.on('error', () => undefined); // it ended: the next command times out and says so
  }

  private receive(line: string): void {
    const event = JSON.parse(line) as SmscEvent | ScriptReply;
    if (event.event === 'listening') this.listening = true;
    else if (event.event === 'reply') this.replies.set(event.reference, event);
    else this.events.push(event);
  }

  /** Waits for the port. */
  async waitUntilListening(): Promise<void> {
    await waitFor('the SMSC', TIMEOUT_MS, async () => {
      if (this.child.exitCode !== null) throw new Error(`SMSC ended: ${await readLog(join(this.dir, 'console.log'))}`);
      return this.listening || undefined;
    });
  }

  /** Every submit_sm so far, refused ones included. */
  get submits(): SmscSubmit[] {
    return this.events.filter((event) => event.event === 'submit');
  }

  /** Waits for at least `count` events of one kind. */
  async waitForEvents<K extends SmscEvent['event']>(
    kind: K,
    count: number,
    timeoutMs = TIMEOUT_MS,
  ): Promise<Extract<SmscEvent, { event: K }>[]> {
    return waitFor(`${count} ${kind} events of the SMSC`, timeoutMs, () => {
      const found = this.events.filter((event): event is Extract<SmscEvent, { event: K }> => event.event === kind);
      return found.length >= count ? found : undefined;
    });
  }

  private async command(fields: Record<string, unknown>): Promise<CommandReply> {
    this.references += 1;
    const reference = this.references;
    this.child.stdin?.write(`${JSON.stringify({ ...fields, reference })}\n`);
    const reply = await waitFor('an answer of the SMSC', TIMEOUT_MS, () => this.replies.get(reference), 5);
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply;
  }

  /** Changes its behaviour from now on; what is left out stays. */
  async set(behaviour: SmscBehaviour): Promise<void> {
    await this.command({ command: 'set', options: behaviour });
  }

  /** Closes every link at once, without unbind. The port stays open. */
  async dropLinks(): Promise<void> {
    await this.command({ command: 'drop' });
  }

  /**
   * Sends a mobile-originated message to the client that bound last.
   *
   * @returns the sequence number of its deliver_sm, found again in the `deliver_resp` event
   * @throws Error when no client is bound as receiver or transceiver
   */
  async inbound(message: SmscInbound): Promise<number> {
    const { from, to, dataCoding = 0, esmClass = 0 } = message;
    if (message.message.length > 254) throw new Error('short_message takes 254 bytes at most');
    const hex = message.message.toString('hex');
    const reply = await this.command({ command: 'inbound', from, to, dataCoding, esmClass, hex });
    return reply.seq ?? 0;
  }

  /** Ends it; leaves no process and no folder. */
  stop(): Promise<void> {
    return removePeer(this.dir);
  }
}
