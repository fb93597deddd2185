import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@ictcore/contract';
import type { AmiLink } from '../ami/ami-link';
import { field } from '../ami/ami-message';
import { providerOfRef } from '../calls/call-end';
import { providerOfChannel } from '../config/trunks';
import type { CallTracker, OpenCall } from './call-tracker';
import type { Journal, JournalEntry } from './journal';

/** The journal is written a little after the channel is gone: so long we wait before calling a call lost. */
const JOURNAL_LAG_MS = 1500;

/**
 * After every (re)connect: events of the time without a link are gone for good, so the truth is put together from the
 * journal (results and causes), the channels that are up, and what we know to have begun. A call that is in the journal
 * without an end, and not up, died with Asterisk: nobody knows.
 *
 * @param from the journal's offset before which everything is dealt with
 * @returns the offset up to which the journal has been read
 */
export async function reconcile(
  parts: { ami: AmiLink; journal: Journal; tracker: CallTracker; log: Logger },
  from: number,
): Promise<number> {
  const { ami, journal, tracker, log } = parts;
  const before = [...tracker.open.values()];
  const live = await liveChannels(ami);
  let { entries, position } = await journal.read(from);
  const settle = () => settleEntries(entries, live, tracker);
  settle();
  const doubtful = () => [...lostOf(entries, live, tracker), ...neverBegun(before, entries, live, tracker)];
  if (doubtful().length > 0) {
    await sleep(JOURNAL_LAG_MS);
    ({ entries, position } = await journal.read(from));
    settle();
  }
  const lost = lostOf(entries, live, tracker);
  for (const entry of lost) tracker.finish(callOf(entry, tracker), { lost: true, endedAt: entry.at });
  const unbegun = neverBegun(before, entries, live, tracker);
  for (const call of unbegun) tracker.finish(call, { noChannel: true });
  if (entries.size > 0 || unbegun.length > 0) {
    const { size: seen } = entries;
    log.info({ seen, live: live.size, lost: lost.length, unbegun: unbegun.length }, 'asterisk: calls reconciled');
  }
  return position;
}

async function liveChannels(ami: AmiLink): Promise<Set<string>> {
  const channels = await ami.list({ action: 'CoreShowChannels' });
  return new Set(channels.filter(({ event }) => event === 'CoreShowChannel').map((each) => field(each, 'uniqueid')));
}

/** Tells the ends that the journal knows, and follows what is still up. */
function settleEntries(entries: Map<string, JournalEntry>, live: ReadonlySet<string>, tracker: CallTracker): void {
  for (const entry of entries.values()) {
    const providerId = providerOfRef(entry.uniqueid);
    if (providerId === undefined) receivedEntry(entry, tracker);
    else if (!isWhole(entry, tracker)) continue;
    else if (entry.hungUp || (entry.end && !live.has(entry.uniqueid))) {
      const { cause, end, at } = entry;
      if (!tracker.wasTold(entry.uniqueid)) tracker.finish(callOf(entry, tracker), { cause, end, endedAt: at });
    } else if (live.has(entry.uniqueid)) {
      const call = tracker.open.get(entry.uniqueid) ?? callOf(entry, tracker);
      call.hasChannel = true;
      call.answered ||= entry.answered;
    }
  }
}

/** The last lines of a call that was told before the checkpoint was made come without its first. */
function isWhole(entry: JournalEntry, tracker: CallTracker): boolean {
  return entry.begun || tracker.open.has(entry.uniqueid);
}

function receivedEntry(entry: JournalEntry, tracker: CallTracker): void {
  const providerId = trunkProvider(entry.end?.trunk ?? '') ?? providerOfChannel(entry.channel);
  if (!entry.end || providerId === undefined || !isReceived(entry.end.result)) return;
  tracker.receive(providerId, entry.offset, { ref: entry.uniqueid, end: entry.end, at: entry.at });
}

/** True for contexts whose result is a file that came in. */
export function isReceived(result: string | undefined): boolean {
  return result === 'recvfax' || result === 'record';
}

/** The provider of a trunk's name. */
export function trunkProvider(trunk: string): number | undefined {
  const id = /^trunk-(\d+)$/.exec(trunk)?.[1];
  return id === undefined ? undefined : Number(id);
}

function callOf(entry: JournalEntry, tracker: CallTracker): OpenCall {
  const known = tracker.open.get(entry.uniqueid);
  if (known) return known;
  return tracker.begin(entry.uniqueid, providerOfRef(entry.uniqueid) ?? 0, entry.offset, { hasChannel: true });
}

function lostOf(entries: Map<string, JournalEntry>, live: ReadonlySet<string>, tracker: CallTracker): JournalEntry[] {
  return [...entries.values()].filter(
    ({ uniqueid, begun, hungUp, end }) =>
      providerOfRef(uniqueid) !== undefined &&
      (begun || tracker.open.has(uniqueid)) &&
      !hungUp &&
      !end &&
      !live.has(uniqueid) &&
      !tracker.wasTold(uniqueid),
  );
}

/** Calls that were asked for before the link came back, of which Asterisk has heard nothing. */
function neverBegun(
  before: readonly OpenCall[],
  entries: Map<string, JournalEntry>,
  live: ReadonlySet<string>,
  tracker: CallTracker,
): OpenCall[] {
  return before.filter(
    (call) => !call.over && !entries.has(call.ref) && !live.has(call.ref) && tracker.open.has(call.ref),
  );
}
