import {
  accepted,
  type DriverContext,
  type DriverSession,
  deferred,
  delivered,
  failed,
  type Health,
  type Order,
  type Outcome,
  type ProviderConfig,
  type SessionLimits,
  type SmsOrder,
  type WebhookRequest,
  type WebhookResult,
} from '@ictcore/contract';
import { reportUrl, takeCallback } from './kannel.callbacks';
import { isNoAnswer, KannelHttp } from './kannel.http';
import { queryOf, type ReportUrl, refOf } from './kannel.message';
import { oneLine, outcomeOfSilence, problemOf } from './kannel.outcome';
import type { KannelSettings } from './kannel.settings';
import { Signer } from './kannel.signature';

const SHUTTING_DOWN_MS = 1000;
/** Milliseconds that requests on their way may take to end when the session is closed. */
const CLOSE_GRACE_MS = 3000;

/** One smsbox. */
export class KannelSession implements DriverSession {
  readonly limits: SessionLimits;
  private readonly http: KannelHttp;
  private readonly signer: Signer;
  private readonly reports: ReportUrl | undefined;
  private readonly open = new Set<Promise<unknown>>();
  private readonly ending = new AbortController();
  private closing: Promise<void> | undefined;

  constructor(
    private readonly config: ProviderConfig<KannelSettings>,
    context: DriverContext,
  ) {
    const { max_connections: maxInFlight, per_second: perSecond, receipts, callback_url } = config.settings;
    this.limits = { maxInFlight, ...(perSecond !== undefined && { perSecond }) };
    this.http = new KannelHttp(config);
    this.signer = new Signer(config);
    const base = callback_url?.replace(/\/$/, '') ?? context.webhookUrl;
    if (receipts && base === null) {
      context.log.warn({}, 'kannel: no public URL is configured, so no delivery reports can come');
    }
    this.reports = receipts && base !== null ? (ref, n) => reportUrl(base, this.signer, ref, n) : undefined;
  }

  async submit(order: Order, signal: AbortSignal): Promise<Outcome> {
    if (order.channel !== 'sms') {
      return failed('rejected', `kannel carries sms, not ${order.channel}`, { notAccepted: true });
    }
    if (this.closing) return deferred(SHUTTING_DOWN_MS, 'provider_down', 'the session is closing');
    if (signal.aborted) return failed('cancelled', 'given up before it began', { notAccepted: true });
    const query = queryOf(order, this.config.prefix, this.config.settings, this.reports);
    if (typeof query !== 'string') return query;
    const sending = this.send(order, query, AbortSignal.any([signal, this.ending.signal]));
    const settled = sending.catch(() => undefined);
    this.open.add(settled);
    try {
      return await sending;
    } finally {
      this.open.delete(settled);
    }
  }

  /** Asks sendsms without a receiver: Kannel checks the login first, and sends nothing. */
  async check(signal: AbortSignal): Promise<Health> {
    const { where } = this.http;
    const begin = performance.now();
    try {
      const { status, body } = await this.http.ask('', signal);
      const roundTripMs = Math.round((performance.now() - begin) * 10) / 10;
      const said = oneLine(`${status} ${body}`);
      if (status === 400 && /missing receiver/i.test(body)) {
        const reports = this.reports ? '' : '; no delivery reports';
        return { state: 'ok', detail: `${where} takes messages of ${this.config.username}${reports}`, roundTripMs };
      }
      if (status === 403)
        return { state: 'error', detail: `${where}: ${said}. Check username, password and user-allow-ip` };
      if (status === 404) return { state: 'error', detail: `${where}: ${said}. Check path: no sendsms there` };
      return { state: 'error', detail: `${where}: ${said}. Is this the sendsms-port of a Kannel smsbox?` };
    } catch (error) {
      if (!isNoAnswer(error)) return { state: 'error', detail: `${where}: ${(error as Error).message}` };
      const mend = error.code === 'ECONNREFUSED' ? '. Nothing listens there: check host and sendsms-port' : '';
      return { state: 'error', detail: `${where}: ${oneLine(error.message)}${mend}` };
    }
  }

  async webhook(request: WebhookRequest): Promise<WebhookResult> {
    return takeCallback(request, this.config, this.signer);
  }

  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise((resolve) => {
      timer = setTimeout(resolve, CLOSE_GRACE_MS);
    });
    await Promise.race([Promise.all(this.open), grace]);
    clearTimeout(timer);
    this.ending.abort();
    await Promise.all(this.open);
    this.http.close();
  }

  private async send(order: SmsOrder, query: string, signal: AbortSignal): Promise<Outcome> {
    const ref = refOf(order);
    try {
      const answer = await this.http.ask(query, signal);
      const problem = problemOf(answer);
      if (problem) return problem;
      const detail = oneLine(answer.body) || 'accepted';
      const facts = [{ type: 'info', name: 'segments', data: String(order.segments) } as const];
      if (this.reports) return accepted(ref, { detail, facts });
      return delivered(ref, { detail, facts, amount: order.segments });
    } catch (error) {
      return outcomeOfSilence(error, signal.aborted);
    }
  }
}
