/** Texts for terminals and logs: a name can contain data of a peer. */

/** Control characters, line separators and the marks that reorder text in a terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is searched
const UNPRINTABLE = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** `text` with escapes for control characters. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

function escaped(char: string): string {
  const code = char.charCodeAt(0);
  return code < 256
    ? `\\x${code.toString(16).padStart(2, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}
