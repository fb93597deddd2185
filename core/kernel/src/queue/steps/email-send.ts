import { type EmailOrder, type FileRef, type Party, type Refused, refused } from '@ictcore/contract';
import { inject, Lifecycle, scoped } from 'tsyringe';
import type { Config } from '../../boot/config';
import { CONFIG } from '../../boot/injection';
import { SecretBox } from '../../boot/secrets';
import { Database } from '../../database/database';
import { MediaStorage } from '../../media/storage';
import { plainTextOf } from '../../messages/templates/plain-text';
import { type Compiled, compileTemplate, render } from '../../messages/tokens';
import type { OneShotStep, StepInput } from './step';

interface TemplateRow {
  template_id: number;
  subject: string;
  body: string;
  body_alt: string | null;
  attachments: { name: string; media_type: string; size: number; storage_key: string }[];
}

interface CompiledTemplate {
  subject: Compiled;
  body: Compiled;
  /** Undefined where the plain part is derived from the HTML. */
  alternative: Compiled | undefined;
  files: FileRef[];
}

const SQL = `
select t.template_id, t.subject, t.body, t.body_alt,
       coalesce((select jsonb_agg(to_jsonb(a) order by a.position) from template_attachment a
                  where a.template_id = t.template_id), '[]') as attachments
  from template t where t.template_id = any($1::int8[])`;

/** `email_send`: one template to one address. Each template of a batch is loaded and compiled once. */
@scoped(Lifecycle.ContainerScoped)
export class EmailSend implements OneShotStep {
  constructor(
    @inject(Database) private readonly database: Database,
    @inject(CONFIG) private readonly config: Config,
    @inject(MediaStorage) private readonly media: MediaStorage,
    @inject(SecretBox) private readonly box: SecretBox,
  ) {}

  async build(inputs: readonly StepInput[]): Promise<(EmailOrder | Refused)[]> {
    const ids = [...new Set(inputs.map((input) => Number(input.parameters.template_id)))];
    const rows = await this.database.query<TemplateRow>(SQL, [ids]);
    const templates = new Map(rows.map((row) => [row.template_id, this.compile(row)]));
    return inputs.map((input) => {
      const template = templates.get(Number(input.parameters.template_id));
      return template ? this.order(input, template) : refused('media_rejected', 'media_missing');
    });
  }

  private compile(row: TemplateRow): CompiledTemplate {
    return {
      subject: compileTemplate(row.subject),
      body: compileTemplate(row.body),
      alternative: row.body_alt ? compileTemplate(row.body_alt) : undefined,
      files: row.attachments.map((file) => ({
        name: file.name,
        mediaType: file.media_type,
        size: file.size,
        open: () => this.media.open(file.storage_key),
        localPath: async () => this.media.localPath(file.storage_key),
      })),
    };
  }

  private order({ base, tokens }: StepInput, template: CompiledTemplate): EmailOrder | Refused {
    if (!base.to.email) return refused('invalid_destination', 'the contact has no e-mail address');
    const sender = this.senderOf(base.from);
    if (!sender)
      return refused('unauthorized', 'the account has no e-mail address and company.email is not configured');
    try {
      const mode = this.config.tokens.unknown;
      const html = render(template.body, tokens, { mode, escape: 'html' });
      return {
        ...base,
        channel: 'email',
        from: sender.from,
        replyTo: sender.replyTo,
        subject: render(template.subject, tokens, { mode, escape: 'header' }),
        html,
        text: template.alternative ? render(template.alternative, tokens, { mode, escape: 'none' }) : plainTextOf(html),
        attachments: template.files,
        messageId: this.messageId(base.spoolId, sender.from.email as string),
        headers: {},
      };
    } catch (error) {
      return refused('media_rejected', (error as Error).message);
    }
  }

  /** The account's own address; else the company's, with the account's name. */
  private senderOf(from: Party): { from: Party; replyTo: string | null } | undefined {
    if (from.email) return { from, replyTo: null };
    const { email, name } = this.config.company;
    return email ? { from: { phone: from.phone, email, name: from.name || name }, replyTo: null } : undefined;
  }

  /** RFC 5322 Message-ID: the same for each hand-over of one attempt, not to be guessed for another. */
  private messageId(spoolId: number, address: string): string {
    const domain = address.slice(address.lastIndexOf('@') + 1);
    return `<${spoolId}.${this.box.fingerprint(`message-id:${spoolId}`).slice(0, 22)}@${domain}>`;
  }
}
