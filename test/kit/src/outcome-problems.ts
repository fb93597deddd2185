import { CHANNELS, type DriverEvent, FAILURE_REASONS, type FailureReason, type Health } from '@ictcore/contract';

const FACT_TYPES = ['application', 'contact', 'message', 'info', 'error'];
const STATES = ['ok', 'registered', 'unregistered', 'error'];
const MAX_FACT_NAME = 80;

type Loose = Readonly<Record<string, unknown>>;

/** What is wrong with the shape of an outcome; empty if nothing. */
export function outcomeProblems(outcome: unknown): string[] {
  if (typeof outcome !== 'object' || outcome === null) return [`${String(outcome)} is no outcome`];
  const { kind, ref, reason, detail, facts, amount, afterMs } = outcome as Loose;
  const problems: string[] = factProblems(facts);
  const arrived = kind === 'accepted' || kind === 'delivered';
  const missed = kind === 'failed' || kind === 'refused' || kind === 'deferred';
  if (!arrived && !missed)
    return [`kind ${JSON.stringify(kind)} is none of accepted, delivered, failed, refused, deferred`];
  if (arrived && !isText(ref)) problems.push(`${kind} without a ref: reports could not be matched`);
  if (!arrived && ref !== undefined && !isText(ref)) problems.push(`${kind} with an empty ref`);
  if (missed && !FAILURE_REASONS.includes(reason as FailureReason)) {
    problems.push(`reason ${JSON.stringify(reason)} is not in the closed list`);
  }
  if (missed && !isText(detail)) problems.push(`${kind} without the carrier's own words in detail`);
  if (detail !== undefined && typeof detail !== 'string') problems.push('detail is no text');
  if (amount !== undefined && !isCount(amount)) problems.push(`amount ${String(amount)}`);
  if (kind === 'deferred' && !isCount(afterMs)) problems.push(`deferred by ${String(afterMs)} ms`);
  return problems;
}

function factProblems(facts: unknown): string[] {
  if (facts === undefined) return [];
  if (!Array.isArray(facts)) return ['facts is no list'];
  const problems: string[] = [];
  const names = new Set<unknown>();
  for (const fact of facts as Loose[]) {
    const { type, name, data } = fact;
    if (!FACT_TYPES.includes(type as string)) problems.push(`fact of type ${JSON.stringify(type)}`);
    if (!isText(name) || name.length > MAX_FACT_NAME) problems.push(`fact name ${JSON.stringify(name)}`);
    if (typeof data !== 'string') problems.push(`fact ${String(name)} holds no text`);
    if (names.has(name)) problems.push(`fact ${String(name)} comes twice`);
    names.add(name);
  }
  return problems;
}

/** What is wrong with the shape of a health report; empty if nothing. */
export function healthProblems(health: Health): string[] {
  const problems: string[] = [];
  if (!STATES.includes(health?.state)) problems.push(`state ${JSON.stringify(health?.state)}`);
  if (!isText(health?.detail)) problems.push('no detail: people must read what was found, or how to mend it');
  const { roundTripMs } = health ?? {};
  if (roundTripMs !== undefined && !(roundTripMs >= 0)) problems.push(`round trip of ${roundTripMs} ms`);
  return problems;
}

/** What is wrong with the shape of an event; empty if nothing. */
export function eventProblems(event: DriverEvent): string[] {
  switch (event.kind) {
    case 'health':
      return healthProblems(event);
    case 'report': {
      const problems = outcomeProblems(event.outcome);
      if (!isText(event.ref)) problems.push('a report without a ref');
      if ((event.outcome.kind as string) === 'deferred') problems.push('a report cannot defer');
      return problems;
    }
    case 'inbound': {
      const problems = factProblems(event.facts);
      if (!isText(event.ref)) problems.push('an inbound message without a ref: it would be taken twice');
      if (!CHANNELS.includes(event.channel)) problems.push(`an inbound message over ${event.channel}`);
      return problems;
    }
    default:
      return [`event kind ${JSON.stringify((event as Loose).kind)}`];
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
