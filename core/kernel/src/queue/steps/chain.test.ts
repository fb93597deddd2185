import type { Scheme } from '@ictcore/contract';
import { chainOf, essentialStep, essentialSteps } from './chain';

const scheme = (start: string, steps: Record<string, [use: string, on?: Record<string, string>]>): Scheme => ({
  start,
  steps: Object.fromEntries(
    Object.entries(steps).map(([name, [use, on]]) => [name, { use, with: {}, ...(on && { on }) }]),
  ),
});
const uses = (steps: readonly { use: string }[]) => steps.map((step) => step.use);

test.each<[string, Scheme, string[], string[]]>([
  ['one step', scheme('a', { a: ['sms_send'] }), ['sms_send'], ['sms_send']],
  [
    'the chain of a fax',
    scheme('o', { o: ['originate', { success: 's' }], s: ['fax_send', { default: 'd' }], d: ['disconnect'] }),
    ['originate', 'fax_send', 'disconnect'],
    ['fax_send'],
  ],
  [
    'success before default, whatever else there is',
    scheme('o', {
      o: ['originate', { error: 'x', default: 'x', success: 'a' }],
      a: ['amd', { human: 'p', default: 'p' }],
      p: ['voice_play', { digit: 'd' }],
      x: ['log'],
      d: ['disconnect'],
    }),
    ['originate', 'amd', 'voice_play', 'disconnect'],
    ['amd', 'voice_play'],
  ],
  [
    'a step that decides ends it: what follows is not known beforehand',
    scheme('m', { m: ['play_menu', { '1': 'a', '2': 'b' }], a: ['voice_play'], b: ['tts'] }),
    ['play_menu'],
    ['play_menu'],
  ],
  [
    'a circle is walked once',
    scheme('a', { a: ['tts', { default: 'b' }], b: ['wait', { default: 'a' }] }),
    ['tts', 'wait'],
    ['tts', 'wait'],
  ],
  [
    'nothing but a frame',
    scheme('o', { o: ['originate', { success: 'd' }], d: ['disconnect'] }),
    ['originate', 'disconnect'],
    [],
  ],
  ['a start that is not there', scheme('x', {}), [], []],
])('%s', (_name, given, chain, essential) => {
  expect(uses(chainOf(given))).toEqual(chain);
  expect(uses(essentialSteps(given))).toEqual(essential);
  expect(essentialStep(given)?.use).toBe(essential.find((use) => use !== 'amd' && use !== 'wait'));
});
