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
 * Tags that are still parsed as such: several times what the largest newsletters have. The parser's time grows with the
 * square of the nesting depth, so that some 100,000 unclosed tags would hold the whole process up for half a minute.
 */
const MAX_TAGS = 20_000;
const BLOCK = /^<\/?(p|br|div|tr|li|h[1-6]|table|ul|ol|blockquote)\b/i;

/** HTML without nesting: line breaks for block tags, nothing else. Each character is looked at once. */
function flattened(html: string): string {
  return html.replace(/<[^<>]*>/g, (tag) => (BLOCK.test(tag) ? '<br>' : ' '));
}

function hasTooManyTags(html: string): boolean {
  let tags = 0;
  for (let at = html.indexOf('<'); at !== -1; at = html.indexOf('<', at + 1)) {
    if (/[a-z]/i.test(html.charAt(at + 1)) && ++tags > MAX_TAGS) return true;
  }
  return false;
}

/**
 * The plain part of a mail that has only HTML: text, lists, and links as `text (address)`. Tokens in it survive, so it
 * may be made once of a template and filled in for each recipient afterwards.
 */
export function plainTextOf(html: string): string {
  return toText(hasTooManyTags(html) ? flattened(html) : html).trim();
}
