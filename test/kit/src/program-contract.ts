import {
  type AnyProgram,
  type AttemptReport,
  CHANNELS,
  FAILURE_REASONS,
  type FinishedTransmission,
  type FollowUp,
  resourceFields,
  type Scheme,
  type Verdict,
} from '@ictcore/contract';
import { type Check, registerChecks } from './check';
import { FakeServices, fakeActor, fakeProgramContext } from './fakes';
import { watchIo } from './io-guard';
import { deepFreeze, must, mustBeJson, mustEqual, refuseProblems } from './problems';

/** Parameters that a program must refuse. */
export interface InvalidParameters {
  readonly parameters: unknown;
  /** The field that the refusal must name, if one. */
  readonly field?: string;
}

/** Options of {@link programContract}. */
export interface ProgramContractOptions {
  /** Parameters that the program takes; at least one. */
  readonly valid: readonly unknown[];
  /** Parameters that it refuses. */
  readonly invalid: readonly InvalidParameters[];
  /** Makes the fakes of the services that `prepare` uses, anew for each check. */
  readonly services?: () => FakeServices;
}

/** Registers the promises of a program as jest tests. */
export function programContract(program: AnyProgram, options: ProgramContractOptions): void {
  registerChecks(`program ${program.type} keeps the contract`, programChecks(program, options));
}

/** The promises of a program (contract `program.ts`). */
export function programChecks(program: AnyProgram, options: ProgramContractOptions): Check[] {
  const services = options.services ?? (() => new FakeServices());
  const parse = (given: unknown) => {
    const parsed = program.parameters.safeParse(given);
    if (!parsed.success) throw new Error(`refuses ${JSON.stringify(given)}: ${parsed.error.message}`);
    return parsed.data as unknown;
  };
  const prepare = async (given: unknown, fakes = services()) => {
    const parameters = deepFreeze(parse(structuredClone(given)));
    return program.prepare ? await program.prepare(parameters, fakeProgramContext(fakes, fakeActor())) : parameters;
  };
  const eachStored = async (work: (stored: unknown) => void) => {
    for (const given of options.valid) work(deepFreeze(await prepare(given)));
  };
  return [
    { name: 'has a type, a channel, a direction and a description', run: async () => checkIdentity(program) },
    {
      name: 'takes valid parameters, and its own result again',
      run: async () => {
        must(options.valid.length > 0, 'no valid parameters were given to the suite');
        for (const given of options.valid) {
          const parsed = parse(given);
          mustBeJson(parsed, 'what the schema gives');
          mustEqual(parse(JSON.parse(JSON.stringify(parsed))), parsed, 'parsing twice changes the parameters');
        }
      },
    },
    { name: 'refuses invalid parameters, naming the field', run: async () => checkRefusals(program, options.invalid) },
    { name: 'survives any kind of value as parameters', run: async () => checkJunk(program) },
    { name: 'declares ids with resourceId and refuses unresolved tokens', run: async () => checkIds(program, options) },
    {
      name: 'prepare gives what can be stored and read again, and changes nothing when repeated',
      run: async () => {
        for (const given of options.valid) {
          const stored = await prepare(given);
          mustBeJson(stored, 'what prepare gives');
          const fakes = services();
          mustEqual(await prepare(stored, fakes), stored, 'preparing stored parameters changes them');
          must(fakes.calls.length === 0, `preparing stored parameters calls ${fakes.calls.map((each) => each.method)}`);
        }
      },
    },
    {
      name: 'scheme is pure: no I/O, no clock, no chance, no change of the parameters',
      run: () => eachStored((stored) => checkPure('scheme', () => program.scheme(stored))),
    },
    {
      name: 'scheme hangs together: every step is reached and every target exists',
      run: () => eachStored((stored) => refuseProblems(schemeProblems(program.scheme(stored)))),
    },
    {
      name: 'judge is pure and knows every outcome',
      run: () => eachStored((stored) => checkJudge(program, stored)),
    },
    {
      name: 'followUps is pure and gives well-formed messages',
      run: () => eachStored((stored) => checkFollowUps(program, stored)),
    },
  ];
}

function checkIdentity(program: AnyProgram): void {
  must(/^[a-z0-9]+$/.test(program.type), `type ${JSON.stringify(program.type)} is not lower-case letters and digits`);
  must(CHANNELS.includes(program.channel), `channel ${program.channel}`);
  must(['outbound', 'inbound'].includes(program.direction), `direction ${program.direction}`);
  must(program.description.trim() !== '', 'no description');
}

function checkRefusals(program: AnyProgram, invalid: readonly InvalidParameters[]): void {
  for (const { parameters, field } of invalid) {
    const parsed = program.parameters.safeParse(parameters);
    must(!parsed.success, `takes ${JSON.stringify(parameters)}`);
    const named = parsed.error.issues.map((issue) => String(issue.path[0] ?? ''));
    const told = `refuses ${JSON.stringify(parameters)} naming ${named} instead of ${field}`;
    must(field === undefined || named.includes(field), told);
  }
}

const JUNK: readonly unknown[] = [null, undefined, 0, '', 'x', true, [], [1], Number.NaN, { constructor: 1 }, () => 0];

function checkJunk(program: AnyProgram): void {
  for (const value of JUNK) {
    const parsed = program.parameters.safeParse(value);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    must(isObject || !parsed.success, `takes ${typeof value === 'function' ? 'a function' : JSON.stringify(value)}`);
  }
}

function checkIds(program: AnyProgram, { valid }: ProgramContractOptions): void {
  const declared = resourceFields(program.parameters);
  for (const given of valid) {
    const parsed = program.parameters.parse(given) as Record<string, unknown>;
    for (const [field, value] of Object.entries(parsed)) {
      const bare = /_id$/.test(field) && typeof value === 'number' && declared[field] === undefined;
      must(!bare, `${field} is an id but not made with resourceId(): it would not be checked for visibility`);
    }
  }
  for (const [field, resource] of Object.entries(declared)) {
    const token = `[${resource}:${resource}_id]`;
    const parsed = program.parameters.safeParse({ ...(valid[0] as object), [field]: token });
    must(!parsed.success, `takes the unresolved token ${token} as ${field}`);
  }
}

/** Fails if a function does I/O, gives something else a second time, or when clock and chance give something else. */
function checkPure(what: string, work: () => unknown): void {
  const first = watchIo(work);
  must(first.calls.length === 0, `${what} calls ${[...new Set(first.calls)].join(', ')}`);
  mustBeJson(first.result, `what ${what} gives`);
  mustEqual(work(), first.result, `${what} gives something else the second time`);
  const { now } = Date;
  const { random } = Math;
  try {
    Date.now = () => 1;
    Math.random = () => 0.123;
    mustEqual(work(), first.result, `${what} depends on clock or chance`);
  } finally {
    Date.now = now;
    Math.random = random;
  }
}

/** What is wrong with a scheme; empty if nothing. */
export function schemeProblems(scheme: Scheme): string[] {
  const problems: string[] = [];
  if (scheme.steps[scheme.start] === undefined)
    problems.push(`the first step ${JSON.stringify(scheme.start)} is missing`);
  for (const [name, step] of Object.entries(scheme.steps)) {
    if (!/^[a-z][a-z0-9_]*$/.test(step.use)) problems.push(`step ${name} uses ${JSON.stringify(step.use)}`);
    for (const [outcome, next] of Object.entries(step.on ?? {})) {
      if (scheme.steps[next] === undefined)
        problems.push(`step ${name} goes on ${outcome} to ${next}, which is missing`);
    }
  }
  const reached = new Set<string>();
  const queue = [scheme.start];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (reached.has(name)) continue;
    reached.add(name);
    queue.push(...Object.values(scheme.steps[name]?.on ?? {}));
  }
  for (const name of Object.keys(scheme.steps)) if (!reached.has(name)) problems.push(`step ${name} is never reached`);
  return problems;
}

const FINISHED: FinishedTransmission = {
  transmissionId: 11,
  accountId: 12,
  contactId: null,
  direction: 'outbound',
  campaignId: null,
};

function attempts(): AttemptReport[] {
  const base = { response: '', facts: [], connectedSeconds: 0 };
  const failures = [...FAILURE_REASONS, null].map((reason) => ({ ...base, status: 'failed' as const, reason }));
  return [{ ...base, status: 'completed' as const, reason: null, connectedSeconds: 5 }, ...failures];
}

function checkVerdict(verdict: Verdict): void {
  if (verdict.verdict === 'completed') return;
  must(verdict.verdict === 'failed', `verdict ${JSON.stringify(verdict)}`);
  must(FAILURE_REASONS.includes(verdict.reason), `verdict with reason ${JSON.stringify(verdict.reason)}`);
  must(typeof verdict.response === 'string', 'verdict without a response');
}

function checkJudge(program: AnyProgram, stored: unknown): void {
  if (!program.judge) return;
  for (const attempt of attempts().map(deepFreeze)) {
    const verdict = program.judge(attempt, stored);
    checkVerdict(verdict);
    checkPure('judge', () => program.judge?.(attempt, stored));
  }
}

function checkFollowUps(program: AnyProgram, stored: unknown): void {
  if (!program.followUps) return;
  const failed: Verdict = { verdict: 'failed', reason: 'busy', response: 'USER_BUSY' };
  for (const verdict of [deepFreeze<Verdict>({ verdict: 'completed' }), deepFreeze(failed)]) {
    const ask = () => program.followUps?.(verdict, deepFreeze({ ...FINISHED }), stored);
    for (const followUp of ask() ?? []) checkFollowUp(followUp);
    checkPure('followUps', ask);
  }
}

function checkFollowUp(followUp: FollowUp): void {
  must(/^[a-z0-9]+$/.test(followUp.program), `a follow-up runs ${JSON.stringify(followUp.program)}`);
  must(['outbound', 'inbound'].includes(followUp.direction), `a follow-up has direction ${followUp.direction}`);
  must(typeof followUp.parameters === 'object', 'a follow-up has no parameters');
}
