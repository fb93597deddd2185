import { Backoff } from './backoff';

const times = { firstMs: 250, longestMs: 60_000, loginMs: 60_000 };

test('doubles up to its bound, half of it random, and begins anew when all is well', () => {
  const shortest = new Backoff(times, () => 0);
  const longest = new Backoff(times, () => 0.999999);
  expect(Array.from({ length: 10 }, () => shortest.next(false))).toEqual([
    125, 250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
  ]);
  expect(Array.from({ length: 10 }, () => longest.next(false)).at(-1)).toBe(60_000);
  shortest.reset();
  expect(shortest.next(false)).toBe(125);
});

test('after a refused login never sooner than asked for, and ten times as long in the end', () => {
  const backoff = new Backoff(times, () => 0);
  expect(Array.from({ length: 6 }, () => backoff.next(true))).toEqual([
    60_000, 120_000, 240_000, 480_000, 600_000, 600_000,
  ]);
});
