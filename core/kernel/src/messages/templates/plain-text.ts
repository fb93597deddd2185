import { compile } from 'html-to-text';

/** Mails nest tables deeply, but not this deeply; below it markup is dropped, so that no input exhausts the stack. */
const MAX_DEPTH = 100;

const toText = compile({
  // Lines stay whole: a token must not be broken in two, and the mailer folds lines for transport anyway.
  wordwrap: false,
  limits: { maxDepth: MAX_DEPTH, maxInputLength: 4_000_000, ellipsis: '…' },
  selectors: [
    { selector: 'a', options: { hideLinkHrefIfSameAsText: true, linkBrackets: ['(', ')'], noAnchorUrl: true } },
    { selector: 'img', format: 'skip' },
    // Capitals would make tokens in headings unknown.
    ...['h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map((selector) => ({ selector, options: { uppercase: false } })),
    { selector: 'table', options: { uppercaseHeaderCells: false } },
  ],
});

/**
 * The plain part of a mail that has only HTML: text, lists, and links as `text (address)`. Tokens in it survive, so it
 * may be made once of a template and filled in for each recipient afterwards.
 */
export function plainTextOf(html: string): string {
  return toText(html).trim();
}
