import { type CallStep, type Refused, refused, type SchemeStep, type VoiceOrder } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { RecordingService, type SendableRecording } from '../../messages/recordings';
import type { OneShotStep, StepInput } from './step';

/** How long it may ring, in milliseconds. */
const RING_TIMEOUT_MS = 60_000;

type Recordings = ReadonlyMap<number, SendableRecording>;

/**
 * A call that needs no decisions on the way: `voice_play`, after `amd` where a program asks for it, as one order. Each
 * recording of a batch is looked up once.
 */
@scoped(Lifecycle.ContainerScoped)
export class VoicePlay implements OneShotStep {
  constructor(@inject(RecordingService) private readonly recordings: RecordingService) {}

  async build(inputs: readonly StepInput[]): Promise<(VoiceOrder | Refused)[]> {
    const ids = inputs.flatMap(({ steps }) => steps.filter(plays).map((step) => Number(step.with.recording_id)));
    const recordings = await this.recordings.sendable(ids);
    return inputs.map((input) => order(input, recordings));
  }
}

function order({ base, steps }: StepInput, recordings: Recordings): VoiceOrder | Refused {
  if (!base.to.phone) return refused('invalid_destination', 'the contact has no phone number');
  const calls: CallStep[] = [];
  for (const step of steps) {
    const call = callStep(step, recordings);
    if ('kind' in call) return call;
    calls.push(call);
  }
  return { ...base, channel: 'voice', steps: calls, ringTimeoutMs: RING_TIMEOUT_MS };
}

function callStep(step: SchemeStep, recordings: Recordings): CallStep | Refused {
  if (step.use === 'amd') return { use: step.use, with: step.with };
  if (!plays(step)) return refused('cancelled', `step ${step.use} cannot be part of a call without decisions`);
  const recording = recordings.get(Number(step.with.recording_id));
  if (!recording) return refused('media_rejected', 'media_missing');
  return { use: step.use, with: step.with, files: { recording_id: recording.file } };
}

function plays(step: SchemeStep): boolean {
  return step.use === 'voice_play';
}
