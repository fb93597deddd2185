import { type AnyProgram, type Order, type Party, type Refused, refused, type Scheme } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { Catalog } from '../boot/catalog';
import type { Config } from '../boot/config';
import { CONFIG } from '../boot/injection';
import { normalizePhone } from '../contacts/phone';
import type { Attempt } from './attempt';
import { essentialStep, essentialSteps } from './steps/chain';
import { EmailSend } from './steps/email-send';
import { FaxSend } from './steps/fax-send';
import { SmsSend } from './steps/sms-send';
import type { OneShotStep, StepInput } from './steps/step';
import { VoicePlay } from './steps/voice-play';
import { tokenContext } from './token-context';

/** An attempt ready to be handed over, or the reason why it never can be. */
export type Built = { attempt: Attempt; order: Order } | { attempt: Attempt; refusal: Refused };

/**
 * Makes orders of attempts: the program's scheme names the step, the step loads the message and resolves its tokens.
 * Works on whole batches, so that a campaign's message is loaded once per batch and not once per contact.
 */
@scoped(Lifecycle.ContainerScoped)
export class OrderBuilder {
  private readonly steps: ReadonlyMap<string, OneShotStep>;

  constructor(
    @inject(Catalog) private readonly catalog: Catalog,
    @inject(CONFIG) private readonly config: Config,
    @inject(SmsSend) sms: SmsSend,
    @inject(EmailSend) email: EmailSend,
    @inject(FaxSend) fax: FaxSend,
    @inject(VoicePlay) voice: VoicePlay,
  ) {
    this.steps = new Map<string, OneShotStep>([
      ['sms_send', sms],
      ['email_send', email],
      ['fax_send', fax],
      ['voice_play', voice],
    ]);
  }

  async build(attempts: readonly Attempt[]): Promise<Built[]> {
    const built: Built[] = [];
    const byStep = new Map<OneShotStep, StepInput[]>();
    for (const attempt of attempts) {
      const input = this.inputOf(attempt);
      if ('refusal' in input) built.push(input);
      else {
        const inputs = byStep.get(input.step);
        if (inputs) inputs.push(input.input);
        else byStep.set(input.step, [input.input]);
      }
    }
    for (const [step, inputs] of byStep) {
      const results = await step.build(inputs);
      results.forEach((result, index) => {
        const attempt = (inputs[index] as StepInput).attempt;
        built.push('kind' in result ? { attempt, refusal: result } : { attempt, order: result });
      });
    }
    return built;
  }

  /** The program of an attempt, if its plugin is loaded. */
  programOf(attempt: Attempt): AnyProgram | undefined {
    return attempt.program_type === null ? undefined : this.catalog.program(attempt.program_type);
  }

  private inputOf(attempt: Attempt): { attempt: Attempt; refusal: Refused } | { step: OneShotStep; input: StepInput } {
    const refuse = (detail: string) => ({ attempt, refusal: refused('cancelled', detail) });
    if (attempt.program_id === null) return refuse('program_deleted');
    if (attempt.account_id === null) return refuse('account_deleted');
    if (attempt.account_active === 0) return refuse('account_inactive');
    if (attempt.user_active === 0) return refuse('user_inactive');
    const program = this.programOf(attempt);
    if (!program) return refuse(`program type ${attempt.program_type} is not loaded; enable its plugin`);
    let scheme: Scheme;
    try {
      scheme = program.scheme(attempt.program_data ?? {});
    } catch (error) {
      return refuse(`program ${attempt.program_type} cannot use its parameters: ${(error as Error).message}`);
    }
    const steps = essentialSteps(scheme);
    const essential = essentialStep(scheme);
    const step = essential && this.steps.get(essential.use);
    if (!essential || !step)
      return refuse(`step ${essential?.use ?? scheme.start} cannot be carried out by this server`);
    const { from, to } = this.parties(attempt);
    const base = {
      spoolId: attempt.spool_id,
      transmissionId: attempt.transmission_id,
      attempt: attempt.attempt,
      accountId: attempt.account_id,
      campaignId: attempt.campaign_id,
      from,
      to,
    };
    const tokens = tokenContext(attempt, this.config);
    return { step, input: { attempt, base, steps, parameters: essential.with, tokens } };
  }

  /** API 3.1: outbound goes from account to contact, inbound (a notification) from contact to account. */
  private parties(attempt: Attempt): { from: Party; to: Party } {
    const party = (row: Record<string, unknown>, phone: string | null, email: string | null): Party => ({
      phone: normalizePhone(phone, this.config.country),
      email,
      name: [row.first_name, row.last_name].filter(Boolean).join(' '),
    });
    const account = party(attempt.account, attempt.account_phone, attempt.account_email);
    const contact = party(attempt.contact, attempt.contact_phone, attempt.contact_email);
    return attempt.direction === 'inbound' ? { from: contact, to: account } : { from: account, to: contact };
  }
}
