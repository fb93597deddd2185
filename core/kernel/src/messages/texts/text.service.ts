import { type Actor, invalid, type SmsOrder } from '@ictcore/contract';
import { MAX_SEGMENTS, type SegmentedText, segmentText } from '@ictcore/gsm';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../../boot/config';
import { CONFIG } from '../../boot/injection';
import { ContactService } from '../../contacts';
import { Database, type Tx } from '../../database/database';
import type { ListQuery } from '../../database/list-query';
import { OwnedRepository } from '../../database/owned-repository';
import type { CrudService } from '../../http/crud-routes';
import { refuseWhileInUse } from '../in-use';
import { previewContext } from '../preview-context';
import { type Compiled, compileTemplate, render, type TokenContext, type UnknownTokens } from '../tokens';
import { Text } from './text.model';
import {
  TEXT_CLASS,
  TEXT_ENCODING,
  type TextCreate,
  type TextPreview,
  type TextRow,
  type TextUpdate,
  textSpec,
} from './text.schema';

/** A text ready to be filled in for any number of recipients. */
export interface SendableText {
  readonly text_id: number;
  readonly name: string;
  readonly data: Compiled;
  readonly messageClass: SmsOrder['messageClass'];
  /** How it is cut, where no token changes it from one recipient to the next. */
  readonly fixed: SegmentedText | undefined;
}

/** The part of an SMS order that its text decides. */
export type SmsContent = Pick<SmsOrder, 'text' | 'encoding' | 'messageClass' | 'segments'>;

/** Texts of SMS: guide lines S32 to S36. */
@scoped(Lifecycle.ContainerScoped)
export class TextService implements CrudService<TextRow, TextCreate, TextUpdate> {
  readonly repository: OwnedRepository<TextRow>;

  constructor(
    @inject(Database) private readonly database: Database,
    @inject(CONFIG) private readonly config: Config,
    @inject(ContactService) private readonly contacts: ContactService,
  ) {
    this.repository = new OwnedRepository(database, textSpec, database.sequelize.getRepository(Text));
  }

  list(actor: Actor, query: ListQuery) {
    return this.repository.list(actor, query);
  }

  count(actor: Actor, query: ListQuery) {
    return this.repository.count(actor, query);
  }

  get(actor: Actor, id: number) {
    return this.repository.get(actor, id);
  }

  create(actor: Actor, input: TextCreate): Promise<number> {
    return this.database.transaction((tx) => this.createIn(actor, input, tx));
  }

  /** As {@link create}, within the caller's transaction. */
  createIn(actor: Actor, input: TextCreate, tx: Tx): Promise<number> {
    return this.repository.insert(actor, toColumns(input), tx);
  }

  update(actor: Actor, id: number, input: TextUpdate): Promise<TextRow> {
    return this.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      await this.repository.update(actor, id, toColumns(input), tx);
      return this.repository.get(actor, id, tx);
    });
  }

  /** S36: 423 while a program needs it, unless an administrator says `force`. */
  remove(actor: Actor, id: number, force = false): Promise<void> {
    return this.database.transaction(async (tx) => {
      await this.repository.lock(actor, id, tx);
      await refuseWhileInUse(actor, 'text', id, tx, force);
      await this.repository.remove(actor, id, tx);
    });
  }

  /** What the contact would get; unknown tokens stay as written. 412 for a contact the actor may not see. */
  async preview(actor: Actor, id: number, contactId?: number): Promise<TextPreview> {
    const row = await this.repository.get(actor, id);
    if (contactId !== undefined) await this.contacts.repository.requireVisible(actor, 'contact_id', [contactId]);
    const tokens = await previewContext(this.database, this.config, actor, contactId);
    const data = render(compileTemplate(row.data), tokens, { mode: 'keep', escape: 'none' });
    return { data, ...measure(data) };
  }

  /**
   * The texts with these ids, compiled, for the delivery engine: no ownership, which was checked when the program was
   * made. An id that is gone is missing from the map.
   */
  async sendable(ids: readonly number[]): Promise<Map<number, SendableText>> {
    const rows = await this.database.query<{ text_id: number; name: string; data: string; class: number }>(
      'select text_id, name, data, class from text where text_id = any($1::int8[])',
      [[...new Set(ids)]],
    );
    return new Map(rows.map((row) => [row.text_id, sendableOf(row)]));
  }
}

function sendableOf(row: { text_id: number; name: string; data: string; class: number }): SendableText {
  const data = compileTemplate(row.data);
  return {
    text_id: row.text_id,
    name: row.name,
    data,
    // SIM-specific classes have no place in an order; carriers take them as normal messages.
    messageClass: row.class === TEXT_CLASS.flash ? 'flash' : 'normal',
    fixed: data.dynamic ? undefined : segmentText(row.data),
  };
}

/**
 * Fills a text in for one recipient and measures the result.
 *
 * @throws `TOKEN_UNKNOWN` in mode `fail`; 412 if the result takes more than 255 segments
 */
export function renderText(text: SendableText, tokens: TokenContext, mode: UnknownTokens): SmsContent {
  const filled = text.fixed ? text.data.source : render(text.data, tokens, { mode, escape: 'none' });
  const cut = text.fixed ?? segmentText(filled);
  refuseTooLong(cut);
  return { text: filled, encoding: cut.encoding, messageClass: text.messageClass, segments: cut.segments.length };
}

function refuseTooLong(cut: SegmentedText): void {
  const { length } = cut.segments;
  if (length > MAX_SEGMENTS)
    throw invalid('data', `takes ${length} messages, at most ${MAX_SEGMENTS} are possible`, 'max');
}

function measure(data: string): { length: number; encoding: number; segments: number } {
  const cut = segmentText(data);
  refuseTooLong(cut);
  return { length: cut.length, encoding: TEXT_ENCODING[cut.encoding], segments: cut.segments.length };
}

function toColumns(input: TextUpdate): Record<string, unknown> {
  return {
    ...input,
    ...(input.data !== undefined && measure(input.data)),
    ...(input.type !== undefined && { type: input.type ?? 'UTF-8' }),
    ...(input.description !== undefined && { description: input.description ?? '' }),
  };
}
