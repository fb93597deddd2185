/** What happened, told only after the change has been committed. Delivery is at least once, in order per subject. */
export interface KernelEvent {
  /** Rises with time; the same for every delivery of one event. */
  readonly eventId: number;
  /** `noun.what`, e.g. `transmission.completed`, `transmission.failed`, `message.received`. */
  readonly type: string;
  /** The owner of what the event is about; null if nobody owns it. */
  readonly userId: number | null;
  readonly data: Readonly<Record<string, unknown>>;
  /** Milliseconds since 1970. */
  readonly at: number;
}
