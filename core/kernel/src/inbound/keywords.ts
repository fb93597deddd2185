/** What a recipient can ask for with one word. */
export type Keyword = 'stop' | 'start' | 'help';

/** The words of each keyword. CTIA Messaging Principles 5.1.3 and the carriers' opt-out rules name the English ones. */
export const DEFAULT_KEYWORDS: Readonly<Record<Keyword, readonly string[]>> = {
  stop: [
    'STOP',
    'STOPALL',
    'STOP ALL',
    'UNSUBSCRIBE',
    'CANCEL',
    'END',
    'QUIT',
    'REVOKE',
    'OPTOUT',
    'OPT OUT',
    'OPT-OUT',
  ],
  start: ['START', 'UNSTOP', 'OPTIN', 'OPT IN', 'OPT-IN'],
  help: ['HELP', 'INFO'],
};

const KEYWORDS: readonly Keyword[] = ['stop', 'start', 'help'];

/**
 * The keyword that a message consists of; undefined if it says anything else. Case, marks around it and white space do
 * not matter; `Please stop calling at 9, call at 10` is no keyword.
 */
export function keywordOf(
  text: string,
  words: Readonly<Partial<Record<Keyword, readonly string[]>>> = DEFAULT_KEYWORDS,
): Keyword | undefined {
  const said = folded(text);
  if (said === '') return undefined;
  return KEYWORDS.find((keyword) =>
    (words[keyword] ?? DEFAULT_KEYWORDS[keyword]).some((word) => folded(word) === said),
  );
}

/** Letters and digits of any script in one form (Unicode NFKC), words one space apart. */
function folded(text: string): string {
  return text
    .slice(0, 200)
    .normalize('NFKC')
    .toLocaleLowerCase('en')
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, ' ')
    .trim();
}
