/** Texts of views: bounded, free of control characters, and comparable between similar tasks. */
import { clip, textOf } from '../support/checks.ts';

/** Characters of a name or of the description of a wait. */
export const MAX_TEXT = 160;

/** Control characters, line separators and the marks that reorder text in a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is searched
const UNPRINTABLE = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** The result of `text`, clipped, with escapes for control characters. Never throws. */
export function safeText(text: () => unknown): string {
  let raw: string;
  try {
    raw = textOf(text());
  } catch {
    raw = 'a value that cannot be shown';
  }
  return clip(raw, MAX_TEXT).replace(UNPRINTABLE, escaped);
}

function escaped(char: string): string {
  const code = char.charCodeAt(0);
  return code < 256
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}

const DIGIT = /\d/;
/** A word that contains a digit, up to white space, quotes, parentheses and commas. */
const NUMBERED_WORD = /[^\s'"(),]*\d[^\s'"(),]*/g;
/** A word that is an address or an identifier: 10.0.0.1:80, [::1]:80, fe80::1, a UUID. */
const ADDRESS = /^(?:\[|[a-f:-]*\d[\da-f:.-]*[.:-][\da-f:.-]*|[a-f-]*\d[\da-f-]{7,}$)/i;

/**
 * `text` with `*` for its numbers and addresses: "connection 10.0.0.1:80" and
 * "connection 10.0.0.2:81" are both "connection *".
 */
export function patternOf(text: string): string {
  if (!DIGIT.test(text)) return text;
  return text.replace(NUMBERED_WORD, (word) =>
    ADDRESS.test(word) ? '*' : `${word.slice(0, word.search(DIGIT))}*`,
  );
}
