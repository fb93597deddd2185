import { defineProgram, resourceId, type Scheme, type SchemeStep, z } from '@ictcore/contract';

/** Times a message may be played in one call. */
const MAX_REPEAT = 10;

const repeat = z
  .preprocess((value) => (typeof value === 'string' && /^\d{1,3}$/.test(value) ? Number(value) : value), z.int())
  .pipe(z.number().min(1, 'must be at least 1').max(MAX_REPEAT, `must be at most ${MAX_REPEAT}`));

/** `recording_id` names a stored recording (API sections 4.2 and 4.3, guide line S51). */
export const voicemessageParameters = z.object({
  recording_id: resourceId('recording'),
  repeat: repeat.optional().meta({ description: 'How often it is played in one call: 1 to 10; default 1' }),
  amd: z
    .enum(['hangup', 'beep'], 'must be hangup or beep')
    .optional()
    .meta({ description: 'When a machine answers: hang up, or speak after its beep. Default: no detection' }),
});

/** What `POST /programs/voicemessage` takes. */
export type VoicemessageParameters = z.output<typeof voicemessageParameters>;

/**
 * Program `voicemessage`: one recording to one phone number. Completed is a call that was answered; it need not have
 * been heard to the end (API section 3.5), which the result `played` tells.
 */
export const voicemessage = defineProgram<VoicemessageParameters>({
  type: 'voicemessage',
  channel: 'voice',
  direction: 'outbound',
  description: 'Calls a contact and plays a recording',
  parameters: voicemessageParameters,
  scheme,
});

function scheme({ recording_id, repeat: times, amd }: VoicemessageParameters): Scheme {
  const play: SchemeStep = {
    use: 'voice_play',
    with: { recording_id, ...(times !== undefined && { repeat: times }) },
    on: { default: 'disconnect' },
  };
  const disconnect: SchemeStep = { use: 'disconnect', with: {} };
  const originate = (next: string): SchemeStep => ({ use: 'originate', with: {}, on: { success: next } });
  if (amd === undefined) return { start: 'originate', steps: { originate: originate('play'), play, disconnect } };
  // What a machine's answer leads to is the step's own matter, so that the whole call remains one order.
  const detect: SchemeStep = { use: 'amd', with: { machine: amd }, on: { default: 'play' } };
  return { start: 'originate', steps: { originate: originate('detect'), detect, play, disconnect } };
}
