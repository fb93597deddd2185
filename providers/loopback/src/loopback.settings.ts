import { z } from '@ictcore/contract';

/** Settings of a loopback provider. Times in milliseconds. */
export const loopbackSettings = z.object({
  delay_ms: z.int().min(0).max(600_000).default(0).meta({ description: 'How long each hand-over takes' }),
  report_ms: z
    .int()
    .min(0)
    .max(3_600_000)
    .default(1000)
    .meta({ description: 'How long after it was accepted a message is reported on, or replied to' }),
  defer_ms: z
    .int()
    .min(0)
    .max(3_600_000)
    .default(5000)
    .meta({ description: 'How long the throttled destinations ask to wait' }),
  journal: z
    .string()
    .min(1)
    .max(1000)
    .optional()
    .meta({ description: 'File in the folder of this provider that gets one line for each hand-over' }),
  max_in_flight: z.int().min(1).max(100_000).default(1000),
  per_second: z.number().positive().max(1_000_000).optional(),
});

/** {@link loopbackSettings}, parsed. */
export type LoopbackSettings = z.output<typeof loopbackSettings>;
