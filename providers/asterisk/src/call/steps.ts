import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { CallStep, Fact, StepOutcome } from '@ictcore/contract';
import { callerId, dialable } from '../calls/destination';
import { fileOf, StepError, sayValue, wholeNumber } from '../calls/one-shot';
import { type AgiChannel, type AgiResult, HungUpError } from './agi-channel';
import { receiveFax, sendFax } from './fax-steps';
import type { StepContext, StepRunner } from './step-context';

const SUCCESS: StepOutcome = { outcome: 'success' };
const nothing: StepRunner = async () => SUCCESS;
const info = (name: string, data: string): Fact => ({ type: 'info', name, data });

const connect: StepRunner = async ({ agi }) => {
  const { result } = await agi.command('ANSWER');
  return result === 0 ? SUCCESS : { outcome: 'error' };
};

const disconnect: StepRunner = async (context) => {
  await context.hangup();
  return SUCCESS;
};

/** A result below zero says that it failed, or that the caller hung up meanwhile: the channel tells which. */
async function successOf(agi: AgiChannel, { result }: AgiResult): Promise<StepOutcome> {
  if (result >= 0) return SUCCESS;
  const { result: state } = await agi.command('CHANNEL STATUS');
  if (state !== CHANNEL_UP) throw new HungUpError();
  return { outcome: 'error' };
}

/** AGI's number for a line that is up. */
const CHANNEL_UP = 6;

const play: StepRunner = async (context, step) => {
  const path = await stageSound(context, step);
  return successOf(context.agi, await context.agi.command('STREAM FILE', path, ''));
};

/** Plays and takes one key; asks up to `tries` times (3). With `keys`, others do not count. */
const playMenu: StepRunner = async (context, step) => {
  const path = await stageSound(context, step);
  const wait = wholeNumber(step.with.key_timeout, 10, 1, 60) * 1000;
  const tries = wholeNumber(step.with.tries, 3, 1, 10);
  const keys = String(step.with.keys ?? '0123456789*#');
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const { digits } = await getData(context, path, wait, 1);
    if (digits !== '' && keys.includes(digits)) return { outcome: digits, facts: [info('key', digits)] };
  }
  return { outcome: 'timeout' };
};

/** Digits up to `#`, 10 s for each. */
const input: StepRunner = async (context, step) => {
  const path = step.files ? await stageSound(context, step) : 'silence/1';
  const wait = wholeNumber(step.with.key_timeout, 10, 1, 60) * 1000;
  const { digits } = await getData(context, path, wait, wholeNumber(step.with.max_digits, 20, 1, 40));
  return digits === '' ? { outcome: 'timeout' } : { outcome: 'success', facts: [info('key', digits)] };
};

async function getData({ agi }: StepContext, path: string, waitMs: number, max: number): Promise<{ digits: string }> {
  const { text } = await agi.command('GET DATA', path, waitMs, max);
  if (text.startsWith('-1')) throw new HungUpError();
  return { digits: /^[0-9*#]*/.exec(text)?.[0] ?? '' };
}

/** Records until `#`, silence or the end of time; the file stays in the folder of received files. */
const record: StepRunner = async ({ agi, hub }, step) => {
  const base = join(hub.site.receivedDir, `rec-${randomUUID()}`);
  const most = wholeNumber(step.with.max_duration, 120, 1, 3600) * 1000;
  const silence = wholeNumber(step.with.silence, 5, 1, 60);
  await agi.command('RECORD FILE', base, 'wav', '#', most, 0, 'BEEP', `s=${silence}`);
  const size = await stat(`${base}.wav`).then(
    (found) => found.size,
    () => 0,
  );
  if (size <= 44) return { outcome: 'error', facts: [{ type: 'error', name: 'error', data: 'invalid recording' }] };
  const seconds = ((size - 44) / 16_000).toFixed(1);
  const message: Fact = { type: 'message', name: 'recording', data: `${base}.wav` };
  return { outcome: 'success', facts: [message, info('duration', seconds)] };
};

const wait: StepRunner = async ({ agi }, step) => {
  return successOf(agi, await agi.application('Wait', wholeNumber(step.with.delay, 1000, 0, 600_000) / 1000));
};

/** `SAY DATE` and the like take the value and keys that interrupt it. */
const say =
  (command: string): StepRunner =>
  async ({ agi }, step) => {
    return successOf(agi, await agi.command(command, sayValue(step), ''));
  };

/** No certainty (no audio came) counts as a person: better to speak to a machine than to hang up on somebody. */
const amd: StepRunner = async ({ agi }) => {
  await agi.command('EXEC AMD', '');
  const [status, cause] = [await agi.get('AMDSTATUS'), await agi.get('AMDCAUSE')];
  if (status === 'HANGUP') throw new HungUpError();
  const found = status === 'MACHINE' ? 'machine' : 'human';
  return { outcome: found, facts: [info('amd', found), info('amd_cause', cause)] };
};

/** Rings a phone of ours (`extension`) or a number outside (`phone`), and talks until one of both hangs up. */
const transfer: StepRunner = async ({ agi, trunk }, step) => {
  const seconds = wholeNumber(step.with.ring_seconds, 30, 5, 180);
  const status = await dial(agi, transferTarget(step, trunk), seconds);
  if (status === 'ANSWER') return SUCCESS;
  return { outcome: status === 'NOANSWER' ? 'timeout' : 'error', facts: [info('transfer', status.toLowerCase())] };
};

async function dial(agi: AgiChannel, target: string, seconds: number): Promise<string> {
  await agi.application('Dial', target, seconds, 'g');
  return agi.get('DIALSTATUS');
}

function transferTarget(step: CallStep, trunk: string): string {
  const extension = String(step.with.extension ?? '');
  if (/^[0-9]{1,20}$/.test(extension)) return `PJSIP/${extension}`;
  const phone = dialable(String(step.with.phone ?? ''));
  if (phone === undefined || trunk === '') throw new StepError('transfer: neither an extension nor a number');
  return `PJSIP/${phone}@${trunk}`;
}

const setCallerId: StepRunner = async ({ agi }, step) => {
  const value = String(step.with.callerid ?? '');
  if (dialable(value) === undefined) throw new StepError('callerid_set: not a number');
  await agi.command('SET CALLERID', callerId(value, ''));
  return SUCCESS;
};

/** Stages the recording of a step and returns its path without suffix. */
async function stageSound({ hub, ref, count }: StepContext, step: CallStep): Promise<string> {
  const file = fileOf(step);
  try {
    return await hub.stage.put(ref, count, file, 'wav');
  } catch {
    throw new StepError('media_missing');
  }
}

/** Every application this trunk knows, by its name in schemes. */
export const steps: Readonly<Record<string, StepRunner>> = {
  originate: nothing,
  inbound: nothing,
  log: nothing,
  connect,
  answer: connect,
  disconnect,
  voice_play: play,
  tts: play,
  play_menu: playMenu,
  input,
  record,
  wait,
  say_digit: say('SAY DIGITS'),
  say_number: say('SAY NUMBER'),
  say_alpha: say('SAY ALPHA'),
  say_date: say('SAY DATE'),
  say_time: say('SAY TIME'),
  amd,
  transfer,
  callerid_set: setCallerId,
  fax_send: sendFax,
  fax_receive: receiveFax,
};
