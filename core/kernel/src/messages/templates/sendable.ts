import type { EmailOrder, FileRef } from '@ictcore/contract';
import { type Compiled, compileTemplate, render, type TokenContext, type UnknownTokens } from '../tokens';
import { plainTextOf } from './plain-text';

/** A template ready to be filled in for any number of recipients. */
export interface SendableTemplate {
  readonly template_id: number;
  readonly name: string;
  readonly subject: Compiled;
  readonly html: Compiled;
  /** The plain part; derived from the HTML where the template has none. */
  readonly text: Compiled;
  readonly attachments: readonly FileRef[];
}

/** The part of an e-mail order that its template decides. */
export type EmailContent = Pick<EmailOrder, 'subject' | 'html' | 'text' | 'attachments'>;

/** What a template is compiled of. */
export interface TemplateText {
  template_id: number;
  name: string;
  subject: string;
  body: string;
  body_alt: string | null;
}

/** Compiles a template once for all recipients. */
export function sendableTemplate(row: TemplateText, attachments: readonly FileRef[]): SendableTemplate {
  return {
    template_id: row.template_id,
    name: row.name,
    subject: compileTemplate(row.subject),
    html: compileTemplate(row.body),
    text: compileTemplate(row.body_alt ?? plainTextOf(row.body)),
    attachments,
  };
}

/**
 * Fills a template in for one recipient: values are escaped in the HTML, and the subject stays one line.
 *
 * @throws `TOKEN_UNKNOWN` in mode `fail`, `RENDERED_TOO_LARGE`
 */
export function renderTemplate(template: SendableTemplate, tokens: TokenContext, mode: UnknownTokens): EmailContent {
  return {
    subject: render(template.subject, tokens, { mode, escape: 'header' }),
    html: render(template.html, tokens, { mode, escape: 'html' }),
    text: render(template.text, tokens, { mode, escape: 'none' }),
    attachments: template.attachments,
  };
}
