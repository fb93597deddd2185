import { type Refused, refused, type SmsOrder } from '@ictcore/contract';
import { segmentText } from '@ictcore/gsm';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../../boot/config';
import { CONFIG } from '../../boot/injection';
import { Database } from '../../database/database';
import { type Compiled, compileTemplate, render } from '../../messages/tokens';
import type { OneShotStep, StepInput } from './step';

/** Flash is message class 0, stored as 8 in `text.class` (API section 1.6). */
const FLASH = 8;
/** Characters a text may come to with its tokens filled in: 39 segments of UCS-2, more than any carrier takes. */
const MAX_TEXT = 10_000;

interface TextRow {
  text_id: number;
  data: string;
  class: number;
}

/** `sms_send`: one text to one number. Each text of a batch is loaded and compiled once. */
@scoped(Lifecycle.ContainerScoped)
export class SmsSend implements OneShotStep {
  constructor(
    @inject(Database) private readonly database: Database,
    @inject(CONFIG) private readonly config: Config,
  ) {}

  async build(inputs: readonly StepInput[]): Promise<(SmsOrder | Refused)[]> {
    const ids = [...new Set(inputs.map((input) => Number(input.parameters.text_id)))];
    const rows = await this.database.query<TextRow>(
      'select text_id, data, class from text where text_id = any($1::int8[])',
      [ids],
    );
    const texts = new Map(rows.map((row) => [row.text_id, { row, compiled: compileTemplate(row.data) }]));
    return inputs.map((input) => {
      const text = texts.get(Number(input.parameters.text_id));
      return text ? this.order(input, text.row, text.compiled) : refused('media_rejected', 'media_missing');
    });
  }

  private order({ base, tokens }: StepInput, row: TextRow, compiled: Compiled): SmsOrder | Refused {
    if (!base.to.phone) return refused('invalid_destination', 'the contact has no phone number');
    let text: string;
    try {
      text = render(compiled, tokens, { mode: this.config.tokens.unknown, escape: 'none', maxLength: MAX_TEXT });
    } catch (error) {
      return refused('media_rejected', (error as Error).message);
    }
    if (text === '') return refused('media_rejected', 'the text is empty');
    const { encoding, segments } = segmentText(text);
    return {
      ...base,
      channel: 'sms',
      text,
      encoding,
      messageClass: row.class === FLASH ? 'flash' : 'normal',
      segments: segments.length,
    };
  }
}
