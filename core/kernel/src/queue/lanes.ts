/** Lanes of the queue: lower goes first. */
export const LANE = { single: 0, campaign: 1 } as const;
