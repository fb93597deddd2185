import type { Fact } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import { DoNotContact } from '../dnc/do-not-contact';
import { TextService } from '../messages/texts';
import { type Keyword, keywordOf } from './keywords';
import type { ReceivingInput, ReceivingStep, Stored } from './receiving-step';

/** Longest text that is stored: 255 parts of 67 characters, beyond which none can be sent either. */
const MAX_TEXT = 255 * 67;

/** $1 contact. Whether a HELP of this contact has been answered within a day: two machines must not talk for ever. */
const HELPED = `
select 1 from transmission t join spool s on s.transmission_id = t.transmission_id
  join spool_result r on r.spool_id = s.spool_id and r.name = 'answer' and r.data = 'help'
 where t.contact_id = $1 and t.date_created > now() - interval '1 day' limit 1`;

/**
 * `sms_receive`: stores a Text. A message that is nothing but a keyword also changes the owner's do-not-contact list;
 * the fact `answer` says that the one confirmation is due (never twice for the same state, so that no loop begins).
 *
 * Parameters: `keywords`, an object of word lists by `stop`, `start` and `help`; false: keywords are ordinary words.
 */
@scoped(Lifecycle.ContainerScoped)
export class SmsReceive implements ReceivingStep {
  constructor(
    @inject(TextService) private readonly texts: TextService,
    @inject(DoNotContact) private readonly list: DoNotContact,
  ) {}

  async receive(input: ReceivingInput): Promise<Stored> {
    const { tx, owner, message, label } = input;
    const data = (message.text ?? '').slice(0, MAX_TEXT);
    const textId = await this.texts.createIn(owner, { ...label, data }, tx);
    const facts: Fact[] = [{ type: 'message', name: 'text', data: String(textId) }];
    const words = input.parameters.keywords;
    const keyword = words === false ? undefined : keywordOf(data, words as Record<Keyword, string[]> | undefined);
    if (keyword) facts.push(...(await this.obey(keyword, input)));
    return { facts, amount: 1, ids: { text_id: textId }, keepsFiles: false };
  }

  private async obey(keyword: Keyword, { tx, message, match, contactId }: ReceivingInput): Promise<Fact[]> {
    const facts: Fact[] = [{ type: 'info', name: 'keyword', data: keyword }];
    const { phone } = message.from;
    if (phone === null || this.list.normalize('sms', phone) === null) return facts;
    const answer: Fact = { type: 'info', name: 'answer', data: keyword };
    if (keyword === 'stop') {
      const description = `wrote ${(message.text ?? '').trim().slice(0, 40)}`;
      const entry = { channel: 'sms', address: phone.slice(0, 128), origin: 'keyword', description } as const;
      if ((await this.list.add(tx, { ...entry, ownerId: match.owner_id })) === undefined) return facts;
      return [...facts, { type: 'info', name: 'dnc', data: phone }, answer];
    }
    if (keyword === 'start')
      return (await this.list.remove(tx, 'sms', phone, match.owner_id)) ? [...facts, answer] : facts;
    const helped = contactId === null ? [] : await tx.query(HELPED, [contactId]);
    return helped.length > 0 ? facts : [...facts, answer];
  }
}
