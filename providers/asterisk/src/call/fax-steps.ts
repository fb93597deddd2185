import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { CallStep, Fact, StepOutcome } from '@ictcore/contract';
import { fileOf, StepError, wholeNumber } from '../calls/one-shot';
import { HungUpError } from './agi-channel';
import type { StepContext } from './step-context';

/** What the fax engine says afterwards, by the name of its variable. */
interface FaxEnd {
  readonly status: string;
  readonly pages: number;
  readonly error: string;
  readonly mode: string;
  readonly station: string;
}

/** Sends a fax on a call that is up. `pages` is the number of pages of the document. */
export async function sendFax(context: StepContext, step: CallStep): Promise<StepOutcome> {
  const { agi, hub, ref, count } = context;
  const want = wholeNumber(step.with.pages, 0, 0, 10_000);
  const path = await hub.stage.put(ref, count, fileOf(step), 'tif').catch(() => {
    throw new StepError('media_missing');
  });
  await agi.set('ICT_RESULT', 'fax');
  await agi.set('ICT_PAGES', want);
  await agi.set('FAXOPT(headerinfo)', text(step.with.header, 50));
  await agi.set('FAXOPT(localstationid)', text(step.with.station_id, 20));
  const end = await faxEnd(context, () => agi.application('SendFAX', path, 'fzs'));
  return outcome('fax_send', end, end.status === 'SUCCESS' && (want === 0 || end.pages === want), []);
}

/** Receives a fax on a call that is up; the TIFF stays in the folder of received files. */
export async function receiveFax(context: StepContext, step: CallStep): Promise<StepOutcome> {
  const { agi, hub } = context;
  const path = join(hub.site.receivedDir, `fax-${randomUUID()}.tif`);
  await agi.set('FAXOPT(localstationid)', text(step.with.station_id, 20));
  const end = await faxEnd(context, () => agi.application('ReceiveFAX', path, 'fs'));
  const document: Fact[] = end.pages > 0 ? [{ type: 'message', name: 'document', data: path }] : [];
  return outcome('fax_receive', end, end.status === 'SUCCESS' && end.pages > 0, document);
}

function text(value: unknown, most: number): string {
  return String(value ?? '')
    .replace(/\p{C}+/gu, ' ')
    .slice(0, most);
}

/** Runs a fax application. The far end mostly hangs up right after the last page: then only the hangup handler tells. */
async function faxEnd({ agi, facts }: StepContext, run: () => Promise<unknown>): Promise<FaxEnd> {
  try {
    await run();
    return {
      status: await agi.get('FAXSTATUS'),
      pages: Number(await agi.get('FAXPAGES')) || 0,
      error: await agi.get('FAXERROR'),
      mode: await agi.get('FAXMODE'),
      station: await agi.get('REMOTESTATIONID'),
    };
  } catch (error) {
    if (!(error instanceof HungUpError)) throw error;
    const { end } = await facts;
    return {
      status: end?.fax ?? '',
      pages: Number(end?.pages) || 0,
      error: end?.faxerr ?? '',
      mode: end?.faxmode ?? '',
      station: end?.station ?? '',
    };
  }
}

function outcome(name: string, end: FaxEnd, good: boolean, more: readonly Fact[]): StepOutcome {
  const facts: Fact[] = [...more, { type: 'info', name: 'pages', data: String(end.pages) }];
  if (end.mode) facts.push({ type: 'info', name: 'fax_mode', data: end.mode });
  if (end.station) facts.push({ type: 'info', name: 'fax_station', data: end.station });
  if (!good) facts.push({ type: 'error', name: 'error', data: end.error || `invalid fax (${name})` });
  return { outcome: good ? 'success' : 'error', facts };
}
