import { type Refused, refused, type SmsOrder } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../../boot/config';
import { CONFIG } from '../../boot/injection';
import { renderText, type SendableText, TextService } from '../../messages/texts';
import type { OneShotStep, StepInput } from './step';

/** `sms_send`: one text to one number. Each text of a batch is loaded and compiled once. */
@scoped(Lifecycle.ContainerScoped)
export class SmsSend implements OneShotStep {
  constructor(
    @inject(TextService) private readonly texts: TextService,
    @inject(CONFIG) private readonly config: Config,
  ) {}

  async build(inputs: readonly StepInput[]): Promise<(SmsOrder | Refused)[]> {
    const texts = await this.texts.sendable(inputs.map((input) => Number(input.parameters.text_id)));
    return inputs.map((input) => {
      const text = texts.get(Number(input.parameters.text_id));
      return text ? this.order(input, text) : refused('media_rejected', 'media_missing');
    });
  }

  private order({ base, tokens }: StepInput, text: SendableText): SmsOrder | Refused {
    if (!base.to.phone) return refused('invalid_destination', 'the contact has no phone number');
    try {
      const content = renderText(text, tokens, this.config.tokens.unknown);
      if (content.text === '') return refused('media_rejected', 'the text is empty');
      return { ...base, ...content, channel: 'sms' };
    } catch (error) {
      return refused('media_rejected', (error as Error).message);
    }
  }
}
