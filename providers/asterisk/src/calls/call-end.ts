/** What the hangup handler wrote about a call (`ICT_END`): names see dialplan.ts. Empty strings where unknown. */
export type IctEnd = Readonly<Record<string, string>>;

/** How a call ended, from AMI events or from the journal: both tell the same. */
export interface CallEndFacts {
  readonly ref: string;
  /** Q.850 cause; 0 if none is known. */
  readonly cause: number;
  /** The carrier's own word, e.g. `SIP 486`, where known (not in the journal). */
  readonly techCause: string;
  /** There only if the call was answered: the contexts run from the answer on. */
  readonly end: IctEnd | undefined;
  /** Milliseconds since 1970. */
  readonly endedAt: number;
  /** True if Asterisk could not even make a channel (no such trunk, trunk unreachable). */
  readonly noChannel: boolean;
  /** True if Asterisk died during the call: nobody knows. */
  readonly lost: boolean;
  /** True if we hung up on purpose before the answer. */
  readonly cancelled: boolean;
}

/** Parses `name=value&...` with percent-encoded values, where `+` is a plus. */
export function parseIctEnd(data: string): IctEnd {
  return Object.fromEntries(new URLSearchParams(data.replaceAll('+', '%2B')));
}

/** The ref of an attempt: what Asterisk calls ChannelId and Uniqueid. */
export function refOf(providerId: number, spoolId: number): string {
  return `ict${providerId}-${spoolId}`;
}

/** The provider of a {@link refOf}, undefined for channels that are not ours. */
export function providerOfRef(ref: string): number | undefined {
  const id = /^ict(\d+)-\d+$/.exec(ref)?.[1];
  return id === undefined ? undefined : Number(id);
}
