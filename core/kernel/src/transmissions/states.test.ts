import { SENDABLE, SPOOL_STATES, SPOOL_TRANSITIONS, TRANSMISSION_STATES, TRANSMISSION_TRANSITIONS } from './states';

function reachable<S extends string>(from: readonly S[], table: Readonly<Record<S, readonly S[]>>): Set<S> {
  const seen = new Set<S>(from);
  const queue = [...from];
  for (let state = queue.pop(); state !== undefined; state = queue.pop()) {
    for (const next of table[state]) {
      if (!seen.has(next)) queue.push(next);
      seen.add(next);
    }
  }
  return seen;
}

describe('the states of a transmission', () => {
  it('are all reachable from pending and initializing; done only comes from old data', () => {
    const found = reachable(['pending', 'initializing'], TRANSMISSION_TRANSITIONS);
    expect(TRANSMISSION_STATES.filter((state) => !found.has(state))).toEqual(['done']);
  });

  it('end in completed and invalid; a failed one may be sent again by hand', () => {
    const final = TRANSMISSION_STATES.filter((state) => TRANSMISSION_TRANSITIONS[state].length === 0);
    expect(final).toEqual(['completed', 'invalid']);
    expect(SENDABLE).toEqual(['pending', 'pending_retry', 'done', 'failed']);
  });
});

describe('the states of an attempt', () => {
  it('are all reachable from queued, and the ends stay ends', () => {
    expect([...reachable(['queued'], SPOOL_TRANSITIONS)].sort()).toEqual([...SPOOL_STATES].sort());
    expect(SPOOL_STATES.filter((state) => SPOOL_TRANSITIONS[state].length === 0)).toEqual([
      'completed',
      'failed',
      'invalid',
    ]);
  });
});
