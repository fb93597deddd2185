/** States of a transmission (API section 3.3). */
export const TRANSMISSION_STATES = [
  'pending',
  'pending_retry',
  'initializing',
  'processing',
  'done',
  'completed',
  'failed',
  'invalid',
] as const;
export type TransmissionState = (typeof TRANSMISSION_STATES)[number];

/** States of an attempt (API section 3.4). */
export const SPOOL_STATES = ['queued', 'started', 'connected', 'completed', 'failed', 'invalid'] as const;
export type SpoolState = (typeof SPOOL_STATES)[number];

/** Which state may follow which. What is not listed is refused with 423, or ignored when a carrier says it. */
export const TRANSMISSION_TRANSITIONS: Readonly<Record<TransmissionState, readonly TransmissionState[]>> = {
  pending: ['processing', 'invalid'],
  pending_retry: ['processing', 'failed', 'invalid'],
  initializing: ['processing'],
  // Back to pending: a campaign that was stopped takes back what it had released and nobody had begun to hand over.
  processing: ['completed', 'failed', 'pending_retry', 'pending'],
  done: ['processing'],
  failed: ['processing', 'invalid'],
  completed: [],
  invalid: [],
};

/** An attempt moves forward only; `started` may go back to `queued` when the carrier said "not now" (not a try). */
export const SPOOL_TRANSITIONS: Readonly<Record<SpoolState, readonly SpoolState[]>> = {
  queued: ['started', 'failed', 'invalid'],
  started: ['queued', 'connected', 'completed', 'failed'],
  connected: ['completed', 'failed'],
  completed: [],
  failed: [],
  invalid: [],
};

/** States from which `send` may begin an attempt (S64). */
export const SENDABLE: readonly TransmissionState[] = (
  Object.keys(TRANSMISSION_TRANSITIONS) as TransmissionState[]
).filter((state) => state !== 'initializing' && TRANSMISSION_TRANSITIONS[state].includes('processing'));
