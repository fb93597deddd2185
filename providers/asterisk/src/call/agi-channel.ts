import { randomUUID } from 'node:crypto';
import { amiErrorCode } from '../ami/ami-error';
import { type AmiMessage, field } from '../ami/ami-message';
import type { AsteriskHub } from '../hub/asterisk-hub';

/** What a command of the Asterisk Gateway Interface gave. */
export interface AgiResult {
  /** 200 for a command that ran. */
  readonly code: number;
  readonly result: number;
  /** What follows `result=`, as text: digits of GET DATA are no number. */
  readonly text: string;
}

/** The caller is gone: no further step can run. */
export class HungUpError extends Error {
  readonly code = 'HUNG_UP';

  constructor() {
    super('the call is over');
  }
}

/** The link to Asterisk broke during a step: what it gave is lost, the call may go on. */
export class StepLostError extends Error {
  readonly code = 'STEP_LOST';

  constructor() {
    super('the link to Asterisk broke during the step');
  }
}

interface Waiting {
  resolve(result: AgiResult): void;
  reject(error: Error): void;
}

/** A step that was not sent because the link is down waits this long for it. */
const RELINK_MS = 10_000;
/** No command of ours runs longer: calls end before (TIMEOUT(absolute)). */
const COMMAND_MS = 3_700_000;

/** AsyncAGI on one channel: commands go out as AMI actions, results come back as events. */
export class AgiChannel {
  private readonly waiting = new Map<string, Waiting>();
  private readonly offs: (() => void)[];
  private over = false;

  constructor(
    private readonly hub: AsteriskHub,
    readonly uniqueid: string,
    private readonly channel: string,
  ) {
    this.offs = [
      hub.onEvent((message) => this.take(message)),
      hub.ami.on('down', () => this.fail(new StepLostError())),
    ];
  }

  /** True once the channel is gone. */
  get isOver(): boolean {
    return this.over;
  }

  /**
   * Runs one command. Arguments are quoted; throws {@link HungUpError} or {@link StepLostError}.
   *
   * @param words the command's own words, e.g. `STREAM FILE`: never from a user
   */
  async command(words: string, ...values: readonly (string | number)[]): Promise<AgiResult> {
    if (this.over) throw new HungUpError();
    const command = [words, ...values.map(quote)].join(' ');
    const id = randomUUID();
    const result = new Promise<AgiResult>((resolve, reject) => {
      const timer = setTimeout(() => reject(new StepLostError()), COMMAND_MS);
      timer.unref();
      this.waiting.set(id, {
        resolve: (value) => {
          clearTimeout(timer);
          resolve(value);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
    result.catch(() => undefined);
    try {
      await this.send(command, id);
    } catch (error) {
      this.waiting.get(id)?.reject(error as Error);
      this.waiting.delete(id);
      throw error;
    }
    return result;
  }

  /** Runs a dialplan application; its arguments are joined by commas and must hold none. */
  application(name: string, ...values: readonly (string | number)[]): Promise<AgiResult> {
    for (const value of values) {
      if (/[,&|$]/.test(String(value))) throw new Error(`${name}: an argument that would be two`);
    }
    return this.command(`EXEC ${name}`, values.join(','));
  }

  /** The value of a channel variable, empty if it is not set. */
  async get(name: string): Promise<string> {
    const { text } = await this.command(`GET VARIABLE ${name}`);
    return /^1 \((.*)\)$/s.exec(text)?.[1] ?? '';
  }

  /** Sets a channel variable; the value is not evaluated. */
  async set(name: string, value: string | number): Promise<void> {
    await this.command(`SET VARIABLE ${name}`, value);
  }

  /** Ends all waiting steps with {@link HungUpError} and listens no more. */
  end(): void {
    this.over = true;
    for (const off of this.offs) off();
    this.fail(new HungUpError());
  }

  private async send(command: string, id: string): Promise<void> {
    const action = { action: 'AGI', Channel: this.channel, Command: command, CommandID: id };
    try {
      await this.hub.ami.send(action);
    } catch (error) {
      const code = amiErrorCode(error);
      if (code === 'refused') throw new HungUpError();
      if (code !== 'unsent') throw code === 'down' || code === 'timeout' ? new StepLostError() : error;
      if (!(await this.hub.whenReady(RELINK_MS))) throw new StepLostError();
      await this.hub.ami.send(action);
    }
  }

  private take(message: AmiMessage): void {
    if (field(message, 'uniqueid') !== this.uniqueid) return;
    if (message.event === 'Hangup' || message.event === 'AsyncAGIEnd') this.end();
    if (message.event !== 'AsyncAGIExec') return;
    const id = field(message, 'commandid');
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    const raw = decodeURIComponent(field(message, 'result')).trim();
    const [, code = '0', text = ''] = /^(\d+)(?:\s+result=)?\s*(.*)$/s.exec(raw) ?? [];
    if (code === '511') waiting?.reject(new HungUpError());
    else waiting?.resolve({ code: Number(code), result: Number.parseInt(text, 10), text });
  }

  private fail(error: Error): void {
    for (const waiting of this.waiting.values()) waiting.reject(error);
    this.waiting.clear();
  }
}

/** One argument of AGI: in quotes, with quotes and backslashes escaped; line breaks are refused by the AMI link too. */
function quote(value: string | number): string {
  return `"${String(value).replace(/["\\]/g, '\\$&')}"`;
}
