import { invalid } from '@ictcore/contract';
import { CronExpressionParser } from 'cron-parser';

/** The parts of a recurring schedule; `*` where absent (API section 3.8). Weekday 1 is Sunday. */
export interface CronFields {
  year: string;
  month: string;
  day: string;
  weekday: string;
  hour: string;
  minute: string;
}

export const CRON_FIELDS = ['year', 'month', 'day', 'weekday', 'hour', 'minute'] as const;

/** What each field may hold. */
const RANGES: Readonly<Record<keyof CronFields, readonly [number, number]>> = {
  year: [2000, 2199],
  month: [1, 12],
  day: [1, 31],
  weekday: [1, 7],
  hour: [0, 23],
  minute: [0, 59],
};

/** 412 unless the field is `*`, a number, a list `a,b`, a range `a-b` or a step `*` with `/n`, within its range. */
export function checkField(field: keyof CronFields, value: string): void {
  expand(field, value);
}

/** The numbers a field stands for; undefined for all. */
function expand(field: keyof CronFields, value: string): number[] | undefined {
  const [low, high] = RANGES[field];
  if (value === '*') return undefined;
  const wrong = () =>
    invalid(field, `must be *, a number from ${low} to ${high}, a list a,b, a range a-b or a step */n`, 'cron');
  const numbers = value.split(',').flatMap((part) => {
    const match = /^(?:(\d{1,4})(?:-(\d{1,4}))?|\*)(?:\/(\d{1,4}))?$/.exec(part.trim());
    if (!match) throw wrong();
    const from = match[1] === undefined ? low : Number(match[1]);
    const to =
      match[2] !== undefined ? Number(match[2]) : match[1] !== undefined && match[3] === undefined ? from : high;
    const step = match[3] === undefined ? 1 : Number(match[3]);
    if (from < low || to > high || from > to || step < 1) throw wrong();
    return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step);
  });
  return [...new Set(numbers)].sort((a, b) => a - b);
}

/** True for a time zone that this system knows (IANA name). */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Milliseconds that the zone is ahead of UTC at a moment. */
function offsetAt(zone: string, at: number): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(at);
  const get = (type: string) => Number(parts.find((part) => part.type === type)?.value);
  const local = Date.UTC(get('year'), get('month') - 1, get('day'), get('hour'), get('minute'), get('second'));
  return local - Math.floor(at / 1000) * 1000;
}

/** A wall-clock time in a zone. One that a change of clocks skips is taken as if the clocks had not changed yet. */
function zonedTime(wall: number, zone: string): number {
  const before = offsetAt(zone, wall - 86_400_000);
  for (const offset of [before, offsetAt(zone, wall + 86_400_000)]) {
    if (offsetAt(zone, wall - offset) === offset) return wall - offset;
  }
  return wall - before;
}

const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?)?\s*(Z|[+-]\d{2}:?\d{2})?$/i;

/** An ISO 8601 time: with an offset as it says, without one in `zone`. 412 if it cannot be read. */
export function parseDateTime(text: string, zone: string): Date {
  const match = ISO.exec(text.trim());
  const wrong = () => invalid('datetime', 'must look like 2026-12-31T18:00:00+01:00 or 2026-12-31 18:00', 'datetime');
  if (!match) throw wrong();
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const wall = Date.UTC(year, month - 1, day, hour, minute, second);
  // 31 February and 25:00 would silently become other times.
  const made = new Date(wall);
  if (made.getUTCMonth() !== month - 1 || made.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59)
    throw wrong();
  const offset = match[7];
  if (offset === undefined) return new Date(zonedTime(wall, zone));
  if (/^z$/i.test(offset)) return made;
  const digits = offset.replace(/\D/g, '');
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  if (minutes > 14 * 60 || Number(digits.slice(2)) > 59) throw wrong();
  return new Date(wall - (offset.startsWith('-') ? -1 : 1) * minutes * 60_000);
}

/** Occurrences looked at before a schedule counts as one that never comes (29 February on a Monday takes 28 years). */
const LOOK_AHEAD_YEARS = 30;

/** The next time after `after` at which all fields match the wall clock of the zone; undefined if there is none. */
export function nextRun(fields: CronFields, timezone: string, after: Date): Date | undefined {
  const years = expand('year', fields.year);
  const weekdays = expand('weekday', fields.weekday);
  const expression = [
    fields.minute,
    fields.hour,
    fields.day,
    fields.month,
    weekdays?.map((day) => day - 1).join(',') ?? '*',
  ];
  const from = after.getUTCFullYear();
  for (const year of years ?? [undefined]) {
    if (year !== undefined && year < from - 1) continue;
    const begin =
      year === undefined ? after.getTime() : Math.max(after.getTime(), zonedTime(Date.UTC(year, 0, 1), timezone) - 1);
    const end =
      year === undefined ? Date.UTC(from + LOOK_AHEAD_YEARS, 0, 1) : zonedTime(Date.UTC(year + 1, 0, 1), timezone) - 1;
    if (begin >= end) continue;
    const found = within(expression.join(' '), timezone, begin, end);
    if (found) return found;
  }
  return undefined;
}

function within(expression: string, tz: string, begin: number, end: number): Date | undefined {
  try {
    return CronExpressionParser.parse(expression, { currentDate: new Date(begin), endDate: new Date(end), tz })
      .next()
      .toDate();
  } catch {
    // Its way of saying that there is no such time (31 February, or none before the end).
    return undefined;
  }
}
