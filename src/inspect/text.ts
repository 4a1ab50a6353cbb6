/** Texts of views: bounded, free of control characters, and comparable between similar tasks. */
import { clip, textOf } from '../support/checks.ts';
import { printable } from '../support/printable.ts';

/** Characters of a name or of the description of a wait. */
export const MAX_TEXT = 160;

/** The result of `text`, clipped, with escapes for control characters. Never throws. */
export function safeText(text: () => unknown): string {
  return printable(rawText(text));
}

/** The result of `text`, clipped. Never throws. */
export function rawText(text: () => unknown): string {
  try {
    return clip(textOf(text()), MAX_TEXT);
  } catch {
    return 'a value that cannot be shown';
  }
}

/** A word that is an address or an identifier: 10.0.0.1:80, [::1]:80, fe80::1, a UUID. */
const ADDRESS = /^(?:\[|[a-f:-]*\d[\da-f:.-]*[.:-][\da-f:.-]*|[a-f-]*\d[\da-f-]{7,}$)/i;

/**
 * `text` with `*` for its numbers and addresses: "connection 10.0.0.1:80" and
 * "connection 10.0.0.2:81" are both "connection *". A view of 100,000 tasks calls it for each, so
 * it looks at each character once.
 */
export function patternOf(text: string): string {
  let pattern = '';
  let wordAt = 0;
  let digitAt = -1;
  let copiedTo = 0;
  for (let at = 0; at <= text.length; at++) {
    const code = at < text.length ? text.charCodeAt(at) : SPACE;
    if (code >= DIGIT_0 && code <= DIGIT_9) {
      if (digitAt < 0) digitAt = at;
    } else if (endsWord(code)) {
      if (digitAt >= 0) {
        const kept = isAddress(text, wordAt, digitAt, at) ? wordAt : digitAt;
        pattern += `${text.slice(copiedTo, kept)}*`;
        copiedTo = at;
        digitAt = -1;
      }
      wordAt = at + 1;
    }
  }
  return copiedTo === 0 ? text : pattern + text.slice(copiedTo);
}

const SPACE = 0x20;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/** True for white space, quotes, parentheses and commas. */
function endsWord(code: number): boolean {
  return code <= SPACE || code === 0x22 || (code >= 0x27 && code <= 0x29) || code === 0x2c;
}

/** A word that begins with a digit becomes `*` in any case. */
function isAddress(text: string, wordAt: number, digitAt: number, end: number): boolean {
  return wordAt < digitAt && ADDRESS.test(text.slice(wordAt, end));
}
