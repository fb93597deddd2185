import { inject, Lifecycle, scoped } from 'tsyringe';
import { AttachmentStore, TemplateService } from '../messages/templates';
import type { ReceivingInput, ReceivingStep, Stored } from './receiving-step';

/** `email_receive`: stores a Template with the mail's text, HTML and attachments. */
@scoped(Lifecycle.ContainerScoped)
export class EmailReceive implements ReceivingStep {
  constructor(
    @inject(TemplateService) private readonly templates: TemplateService,
    @inject(AttachmentStore) private readonly attachments: AttachmentStore,
  ) {}

  async receive({ tx, owner, message, label }: ReceivingInput): Promise<Stored> {
    const { subject, text, html, files } = message;
    const body = html ?? htmlOf(text ?? '');
    const id = await this.templates.createIn(owner, { ...label, subject, body, body_alt: text, type: 'html' }, tx);
    if (files.length > 0) await this.attachments.add(id, files, false, false, tx);
    return {
      facts: [{ type: 'message', name: 'template', data: String(id) }],
      amount: 1,
      ids: { template_id: id },
      keepsFiles: true,
    };
  }
}

/** Plain text as HTML. */
function htmlOf(text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `<p>${escaped.replace(/\r\n|\r|\n/g, '<br>\n')}</p>`;
}
