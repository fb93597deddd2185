import { type EmailOrder, type Party, type Refused, refused } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../../boot/config';
import { CONFIG } from '../../boot/injection';
import { SecretBox } from '../../boot/secrets';
import { renderTemplate, type SendableTemplate, TemplateService } from '../../messages/templates';
import type { OneShotStep, StepInput } from './step';

/** `email_send`: one template to one address. Each template of a batch is loaded and compiled once. */
@scoped(Lifecycle.ContainerScoped)
export class EmailSend implements OneShotStep {
  constructor(
    @inject(TemplateService) private readonly templates: TemplateService,
    @inject(CONFIG) private readonly config: Config,
    @inject(SecretBox) private readonly box: SecretBox,
  ) {}

  async build(inputs: readonly StepInput[]): Promise<(EmailOrder | Refused)[]> {
    const templates = await this.templates.sendable(inputs.map((input) => Number(input.parameters.template_id)));
    return inputs.map((input) => {
      const template = templates.get(Number(input.parameters.template_id));
      return template ? this.order(input, template) : refused('media_rejected', 'media_missing');
    });
  }

  private order({ attempt, base, tokens }: StepInput, template: SendableTemplate): EmailOrder | Refused {
    if (!base.to.email) return refused('invalid_destination', 'the contact has no e-mail address');
    // A notification comes from the company; an answer goes to the contact that it is about (API 4.6 and 10, Q22).
    const notifies = attempt.direction === 'inbound' && this.config.company.email !== '';
    const from = this.senderOf(notifies ? { ...base.from, email: null } : base.from);
    if (!from) {
      return refused('unauthorized', 'the account has no e-mail address and company.email is not configured');
    }
    try {
      return {
        ...base,
        ...renderTemplate(template, tokens, this.config.tokens.unknown),
        channel: 'email',
        from,
        replyTo: notifies ? base.from.email : null,
        messageId: this.messageId(base.spoolId, from.email as string),
        headers: {},
      };
    } catch (error) {
      return refused('media_rejected', (error as Error).message);
    }
  }

  /** The account's own address; else the company's, with the account's name. */
  private senderOf(from: Party): Party | undefined {
    if (from.email) return from;
    const { email, name } = this.config.company;
    return email ? { phone: from.phone, email, name: from.name || name } : undefined;
  }

  /** RFC 5322 Message-ID: the same for each hand-over of one attempt, not to be guessed for another. */
  private messageId(spoolId: number, address: string): string {
    const domain = address.slice(address.lastIndexOf('@') + 1);
    return `<${spoolId}.${this.box.fingerprint(`message-id:${spoolId}`).slice(0, 22)}@${domain}>`;
  }
}
