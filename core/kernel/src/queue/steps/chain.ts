import type { Scheme, SchemeStep } from '@ictcore/contract';

/**
 * Applications that frame a call: dialling, answering, hanging up. The carrier's driver does them as part of a
 * hand-over, so an attempt that is one hand-over has no order for them.
 */
const FRAME: ReadonlySet<string> = new Set(['originate', 'connect', 'disconnect']);

/**
 * The steps that an attempt takes when all goes well, from the scheme's start: an edge named `success` is followed,
 * else `default`, else the only one there is (API section 4.1: a plain chain runs on whatever the outcome). A step that
 * comes again ends the chain.
 */
export function chainOf(scheme: Scheme): SchemeStep[] {
  const chain: SchemeStep[] = [];
  const seen = new Set<string>();
  for (let name: string | undefined = scheme.start; name !== undefined && !seen.has(name); ) {
    seen.add(name);
    const step: SchemeStep | undefined = scheme.steps[name];
    if (!step) break;
    chain.push(step);
    name = nextOf(step);
  }
  return chain;
}

/** Applications that only prepare another one: they are part of its order, and no order of their own. */
const PREPARING: ReadonlySet<string> = new Set(['amd', 'wait', 'callerid_set', 'log']);

/** The steps of the chain without its frame: what an order carries. */
export function essentialSteps(scheme: Scheme): SchemeStep[] {
  return chainOf(scheme).filter((step) => !FRAME.has(step.use));
}

/**
 * The step that says what kind of order an attempt is: the first of the chain that neither frames nor prepares.
 * `originate, fax_send, disconnect` is a `fax_send`; `originate, amd, voice_play, disconnect` a `voice_play`.
 */
export function essentialStep(scheme: Scheme): SchemeStep | undefined {
  return essentialSteps(scheme).find((step) => !PREPARING.has(step.use));
}

function nextOf(step: SchemeStep): string | undefined {
  const edges = step.on ?? {};
  const targets = new Set(Object.values(edges));
  return edges.success ?? edges.default ?? (targets.size === 1 ? [...targets][0] : undefined);
}
