import { join } from 'node:path';
import { resourceFields } from '@ictcore/contract';
import { pluginContract, programContract } from '@ictcore/test-kit';
import { type VoicemessageParameters, voicemessage, voicemessageParameters, voicemessagePlugin } from './index';

pluginContract(voicemessagePlugin, { packageFolder: join(__dirname, '..') });

programContract(voicemessage, {
  valid: [
    { recording_id: 12 },
    { recording_id: '12', repeat: '3' },
    { recording_id: 3, amd: 'hangup' },
    { recording_id: 3, amd: 'beep', repeat: 10 },
  ],
  invalid: [
    { parameters: {}, field: 'recording_id' },
    { parameters: { recording_id: '[recording:recording_id]' }, field: 'recording_id' },
    { parameters: { recording_id: -1 }, field: 'recording_id' },
    { parameters: { recording_file: '/etc/passwd' }, field: 'recording_id' },
    { parameters: { recording_id: 1, repeat: 0 }, field: 'repeat' },
    { parameters: { recording_id: 1, repeat: 11 }, field: 'repeat' },
    { parameters: { recording_id: 1, repeat: 1.5 }, field: 'repeat' },
    { parameters: { recording_id: 1, amd: 'maybe' }, field: 'amd' },
  ],
});

/** The applications in the order in which a call that goes well runs them. */
function chainOf(parameters: VoicemessageParameters): string[] {
  const { start, steps } = voicemessage.scheme(parameters);
  const chain: string[] = [];
  for (let name: string | undefined = start; name !== undefined; name = Object.values(steps[name]?.on ?? {})[0]) {
    chain.push(steps[name]?.use as string);
  }
  return chain;
}

test('the chain of the guide, and with detection of machines', () => {
  expect(chainOf({ recording_id: 7 })).toEqual(['originate', 'voice_play', 'disconnect']);
  expect(chainOf({ recording_id: 7, amd: 'beep' })).toEqual(['originate', 'amd', 'voice_play', 'disconnect']);
  const { steps } = voicemessage.scheme({ recording_id: 7, amd: 'hangup', repeat: 2 });
  expect(steps.play?.with).toEqual({ recording_id: 7, repeat: 2 });
  expect(steps.detect?.with).toEqual({ machine: 'hangup' });
});

test('the id is a checked reference, and nothing else of the body is kept', () => {
  expect(resourceFields(voicemessageParameters)).toEqual({ recording_id: 'recording' });
  expect(voicemessageParameters.parse({ recording_id: 7, file_name: '/etc/passwd' })).toEqual({ recording_id: 7 });
});
