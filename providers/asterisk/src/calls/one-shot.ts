import type { CallStep, FileRef } from '@ictcore/contract';

/** A step of a call without decisions, as the context ict-voice runs it. */
export type VoiceOp =
  | { readonly op: 'play'; readonly file: FileRef }
  | { readonly op: 'wait'; readonly value: string }
  | { readonly op: 'digits' | 'number' | 'alpha' | 'date' | 'time'; readonly value: string }
  | { readonly op: 'read'; readonly file: FileRef; readonly max: number; readonly seconds: number };

/** A whole one-shot call. */
export interface VoicePlan {
  readonly ops: readonly VoiceOp[];
  /** Tell people from machines first; a machine is hung up on, or gets the message after its beep. */
  readonly amd: 'off' | 'hangup' | 'beep';
}

/** A step that a one-shot call cannot do, or whose parameters are wrong. */
export class StepError extends Error {
  readonly code = 'STEP_INVALID';
}

/** Between two times of the same recording, in seconds. */
const PAUSE: VoiceOp = { op: 'wait', value: '1' };
/** Most steps of a one-shot call. */
const MAX_STEPS = 40;

/** Turns the steps of an order into what ict-voice runs. Throws {@link StepError}. */
export function planVoice(steps: readonly CallStep[]): VoicePlan {
  const ops: VoiceOp[] = [];
  let amd: VoicePlan['amd'] = 'off';
  for (const [index, step] of steps.entries()) {
    if (['originate', 'connect', 'disconnect', 'log', 'callerid_set'].includes(step.use)) continue;
    if (step.use === 'amd') {
      if (ops.length > 0 || amd !== 'off') throw new StepError('amd must come first, and once');
      amd = amdChoice(step.with);
    } else if (step.use === 'voice_play') ops.push(...repeated(step, index));
    else ops.push(planStep(step, index));
  }
  if (ops.length === 0) throw new StepError('nothing to play or say');
  if (ops.length > MAX_STEPS) throw new StepError(`more than ${MAX_STEPS} steps`);
  return { ops, amd };
}

/** A recording as often as `repeat` says (1 to 10), with a pause between. */
function repeated(step: CallStep, index: number): VoiceOp[] {
  const play: VoiceOp = { op: 'play', file: fileOf(step, index) };
  const times = wholeNumber(step.with.repeat, 1, 1, 10);
  return Array.from({ length: times }, (_, nth) => (nth === 0 ? [play] : [PAUSE, play])).flat();
}

function amdChoice(parameters: CallStep['with']): 'hangup' | 'beep' {
  const choice = parameters.machine ?? 'beep';
  if (choice === 'hangup' || choice === 'beep') return choice;
  throw new StepError('amd: machine must be hangup or beep');
}

function planStep(step: CallStep, index: number): VoiceOp {
  switch (step.use) {
    case 'tts':
      return { op: 'play', file: fileOf(step, index) };
    case 'play_menu':
    case 'input':
      return {
        op: 'read',
        file: fileOf(step, index),
        max: step.use === 'input' ? wholeNumber(step.with.max_digits, 20, 1, 40) : 1,
        seconds: wholeNumber(step.with.key_timeout, 10, 1, 60),
      };
    case 'wait':
      return { op: 'wait', value: String(wholeNumber(step.with.delay, 1000, 0, 60_000) / 1000) };
    default:
      return { op: sayOp(step.use), value: sayValue(step) };
  }
}

const SAY = {
  say_digit: 'digits',
  say_number: 'number',
  say_alpha: 'alpha',
  say_date: 'date',
  say_time: 'time',
} as const;

function sayOp(use: string): (typeof SAY)[keyof typeof SAY] {
  const op = Object.hasOwn(SAY, use) ? SAY[use as keyof typeof SAY] : undefined;
  if (!op) throw new StepError(`${use} cannot be part of a call without decisions`);
  return op;
}

/** What may be said: only plain characters, because it becomes an application's argument. */
const SAYABLE = {
  say_digit: /^[0-9*#]{1,40}$/,
  say_number: /^-?[0-9]{1,9}$/,
  say_alpha: /^[A-Za-z0-9 ]{1,80}$/,
  say_date: /^[0-9]{1,10}$/,
  say_time: /^[0-9]{1,10}$/,
} as const;

/**
 * The value of a `say_...` step: its first parameter. Dates and times may be ISO 8601 or Unix seconds and come out as
 * Unix seconds.
 *
 * @throws StepError if it cannot be said
 */
export function sayValue(step: CallStep): string {
  const pattern = SAYABLE[step.use as keyof typeof SAYABLE];
  let value = String(Object.values(step.with)[0] ?? '').trim();
  if (step.use === 'say_date' || step.use === 'say_time') {
    const parsed = /^[0-9]+$/.test(value) ? Number(value) : Date.parse(value) / 1000;
    value = String(Math.floor(parsed));
  }
  if (!pattern?.test(value)) throw new StepError(`${step.use}: the value cannot be said`);
  return value;
}

/** The one file of a step. */
export function fileOf(step: CallStep, index = 0): FileRef {
  const file = Object.values(step.files ?? {})[0];
  if (!file) throw new StepError(`step ${index + 1} (${step.use}) has no recording`);
  return file;
}

/** A whole number between limits; `fallback` if nothing is given. */
export function wholeNumber(value: unknown, fallback: number, min: number, max: number): number {
  if (value === undefined || value === null || value === '') return fallback;
  const number = Number(value);
  if (!Number.isInteger(number) || number < min || number > max) {
    throw new StepError(`a number from ${min} to ${max} is needed`);
  }
  return number;
}
