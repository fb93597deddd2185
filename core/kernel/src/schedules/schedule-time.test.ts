import { planOf, scheduleBody } from './schedule.schema';
import { type CronFields, nextRun, parseDateTime } from './schedule-time';

const every: CronFields = { year: '*', month: '*', day: '*', weekday: '*', hour: '*', minute: '*' };
const next = (fields: Partial<CronFields>, after: string, zone = 'UTC') =>
  nextRun({ ...every, ...fields }, zone, new Date(after))?.toISOString();

test.each([
  ['each minute', {}, '2026-03-01T10:00:30Z', '2026-03-01T10:01:00.000Z'],
  ['a list', { minute: '5,35' }, '2026-03-01T10:05:00Z', '2026-03-01T10:35:00.000Z'],
  ['a range with hours', { hour: '9-17', minute: '0' }, '2026-03-01T17:30:00Z', '2026-03-02T09:00:00.000Z'],
  ['a step', { minute: '*/15' }, '2026-03-01T10:46:00Z', '2026-03-01T11:00:00.000Z'],
  ['weekday 1 is Sunday', { weekday: '1', hour: '8', minute: '0' }, '2026-03-02T00:00:00Z', '2026-03-08T08:00:00.000Z'],
  [
    'weekday 7 is Saturday',
    { weekday: '7', hour: '8', minute: '0' },
    '2026-03-02T00:00:00Z',
    '2026-03-07T08:00:00.000Z',
  ],
  [
    'the last day of a month',
    { day: '31', hour: '0', minute: '0' },
    '2026-04-01T00:00:00Z',
    '2026-05-31T00:00:00.000Z',
  ],
  ['a leap day', { month: '2', day: '29', hour: '0', minute: '0' }, '2026-04-01T00:00:00Z', '2028-02-29T00:00:00.000Z'],
  [
    'a year',
    { year: '2030', month: '1', day: '1', hour: '0', minute: '0' },
    '2026-04-01T00:00:00Z',
    '2030-01-01T00:00:00.000Z',
  ],
  ['a year that is over', { year: '2020' }, '2026-04-01T00:00:00Z', undefined],
  ['31 February', { month: '2', day: '31' }, '2026-04-01T00:00:00Z', undefined],
])('%s', (_what, fields, after, wanted) => {
  expect(next(fields, after)).toBe(wanted);
});

test('a zone: nine o’clock in Berlin stays nine o’clock when the clocks change', () => {
  const nine = { hour: '9', minute: '0' };
  expect(next(nine, '2026-03-28T12:00:00Z', 'Europe/Berlin')).toBe('2026-03-29T07:00:00.000Z');
  expect(next(nine, '2026-03-27T12:00:00Z', 'Europe/Berlin')).toBe('2026-03-28T08:00:00.000Z');
  expect(next({ ...nine, year: '2027' }, '2026-03-28T12:00:00Z', 'Asia/Karachi')).toBe('2027-01-01T04:00:00.000Z');
});

test.each([
  ['2026-12-31T18:00:00Z', 'UTC', '2026-12-31T18:00:00.000Z'],
  ['2026-12-31T18:00:00+05:30', 'UTC', '2026-12-31T12:30:00.000Z'],
  ['2026-12-31 18:00', 'America/New_York', '2026-12-31T23:00:00.000Z'],
  ['2026-07-01 18:00', 'America/New_York', '2026-07-01T22:00:00.000Z'],
  ['2026-07-01', 'UTC', '2026-07-01T00:00:00.000Z'],
  // Clocks go from 02:00 to 03:00: half past two never is.
  ['2026-03-29 02:30', 'Europe/Berlin', '2026-03-29T01:30:00.000Z'],
])('%s in %s', (text, zone, wanted) => {
  expect(parseDateTime(text, zone).toISOString()).toBe(wanted);
});

const now = new Date('2026-06-01T12:00:00Z');
const plan = (body: object) => planOf(scheduleBody.parse(body), now);

test.each([
  ['nothing', {}],
  ['only a zone', { timezone: 'UTC' }],
  ['both forms', { delay: 5, hour: 3 }],
  ['two absolute times', { delay: 5, timestamp: 1_900_000_000 }],
  ['hour 24', { hour: 24 }],
  ['minute 60', { minute: '60' }],
  ['weekday 0', { weekday: 0 }],
  ['month 13', { month: '1,13' }],
  ['a range backwards', { hour: '17-9' }],
  ['words', { day: 'monday' }],
  ['the past', { timestamp: 1_000_000_000 }],
  ['yesterday', { datetime: '2026-05-31T12:00:00Z' }],
  ['31 February', { datetime: '2027-02-31' }],
  ['a day that never comes', { month: 2, day: 30 }],
  ['an unknown zone', { hour: 3, timezone: 'Mars/Olympus' }],
  ['an end before the beginning', { hour: 3, expiry: 1_780_300_000 }],
])('412 for %s', (_what, body) => {
  expect(() => plan(body)).toThrow(expect.objectContaining({ status: 412 }));
});

test('what is taken', () => {
  expect(plan({ delay: 90 })).toMatchObject({ dueAt: new Date('2026-06-01T12:01:30Z'), isRecurring: 0 });
  expect(plan({ timestamp: '1900000000' })).toMatchObject({ dueAt: new Date(1_900_000_000_000), isCron: 0 });
  // Monday 1 June 2026; weekday 2 is Monday.
  expect(plan({ weekday: [2, 4], hour: 9 })).toMatchObject({
    dueAt: new Date('2026-06-03T09:00:00Z'),
    isRecurring: 1,
    weekday: '2,4',
    day: '*',
    minute: '0',
  });
  expect(plan({ hour: 13, is_recurring: 0 })).toMatchObject({
    dueAt: new Date('2026-06-01T13:00:00Z'),
    isRecurring: 0,
  });
});
