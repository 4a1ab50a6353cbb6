/**
 * The mechanical part of the language rules: words and openings that do not belong in comments,
 * documentation, messages and test titles, each with its replacement. CONTRIBUTING.md states the
 * rules that no pattern can check.
 */
import type { Finding } from './rules.ts';
import type { Token } from './scan.ts';
import type { CodeFile, TextFile } from './tree.ts';
import { isTest } from './tree.ts';

interface BannedWording {
  readonly shape: RegExp;
  readonly instead: string;
}

/** A passage of prose with the number of its first line. */
interface Passage {
  readonly text: string;
  readonly line: number;
  /** True for test titles and doc comments: their first word is checked, too. */
  readonly opens: boolean;
}

const bannedWordings: readonly BannedWording[] = [
  { shape: /\b(?:who|whom)(?:so)?ever\b/i, instead: 'name the peer, task or caller' },
  { shape: /\b(?:some|no|any|every)body\b/i, instead: 'name the peer, task or caller' },
  { shape: /\bfor ever\b/i, instead: 'indefinitely' },
  { shape: /\banew\b/i, instead: 'again' },
  { shape: /\bto be had\b/i, instead: 'available' },
  { shape: /\b(?:tell|tells|told|telling)\b/i, instead: 'report, notify, state, distinguish' },
  { shape: /\b(?:say|says|said)\b/i, instead: 'state, report, specify' },
  { shape: /\b(?:hear|hears|heard)\b/i, instead: 'receive, observe, be notified' },
  { shape: /\bgives?\b(?! (?:up|back|way)\b)/i, instead: 'return, provide, produce, pass' },
  { shape: /\bgave\b(?! (?:up|back)\b)/i, instead: 'returned, provided, passed' },
  {
    shape: /(?<!\bthere )\b(?:is|are|was|were) no (?!longer\b|more\b|less\b|later\b)/i,
    instead: 'is not a …, there is no …, does not have',
  },
  { shape: /\bbesides?\b/i, instead: 'next to, in addition to' },
  { shape: /\bunder way\b/i, instead: 'in progress, pending' },
  { shape: /\bwho (?:is|are|has|have|was|were)\b/i, instead: 'a peer that …, a task that …' },
  { shape: /\b(?:farewell|good-?bye|last words?)\b/i, instead: 'lingering close, final bytes' },
  { shape: /\b(?:lapsed|foremost|likewise|thence|thereof)\b/i, instead: 'a plain word' },
  { shape: /\b(?:knocks?|teller|tally|fooling|doorkeeper)\b/i, instead: 'the standard term' },
  { shape: /\bworth a try\b/i, instead: 'may succeed' },
  { shape: /\bpatien(?:t|tly|ce)\b/i, instead: 'waits, time limit' },
  { shape: /\bcome(?:s)? to (?:its|an|the|their) end\b/i, instead: 'end' },
  { shape: /\bgive(?:s)? way\b/i, instead: 'is closed in favour of …, yields' },
];

const bannedOpening = /^(?:what|who|whoever|whose|that|those|because|nobody|somebody|of)\b/i;
const openingAdvice = 'begin with a noun or a verb';

/** A passage that is allowed although it matches. A reason is required. */
interface Exception {
  readonly path: string;
  readonly contains: string;
  readonly reason: string;
}

export const exceptions: readonly Exception[] = [
  {
    path: 'test/tidy/language.ts',
    contains: '',
    reason: 'the list itself',
  },
  {
    path: 'test/tidy/rules.test.ts',
    contains: '',
    reason: 'samples that the rules must find',
  },
];

/** Checks comments, messages and test titles of a source file. */
export function checkLanguage(file: CodeFile): Finding[] {
  const passages = [...commentPassages(file), ...stringPassages(file)];
  return passages.flatMap((passage) => findingsIn(file.path, passage));
}

/** Checks the prose of a Markdown file: code blocks and inline code are skipped. */
export function checkMarkdownLanguage({ path, text }: TextFile): Finding[] {
  if (!path.endsWith('.md')) return [];
  let isCode = false;
  return text.split('\n').flatMap((line, index) => {
    if (/^\s*```/.test(line)) isCode = !isCode;
    if (isCode) return [];
    const prose = line.replace(/^#+\s*/, '');
    return findingsIn(path, { text: prose, line: index + 1, opens: /^#/.test(line) });
  });
}

function commentPassages({ scan, path }: CodeFile): Passage[] {
  return scan.comments.map(({ kind, text, line }) => ({
    text: text.replace(/^[ \t]*(?:\/\/+|\/\*+|\*(?!\/))?[ \t]?|\*\/[ \t]*$/gm, ''),
    line,
    opens: kind === 'doc' && !isTest(path),
  }));
}

/** Messages of the sources are strings with a space; of a test file only the titles count. */
function stringPassages({ scan, path }: CodeFile): Passage[] {
  if (/\.[ch]$/.test(path)) return [];
  return scan.tokens.flatMap((token, at) => {
    if (token.kind !== 'string' && token.kind !== 'template') return [];
    const isTitle = isTest(path) && isTitleAt(scan.tokens, scan.enclosing, at);
    const isMessage = /^(?:src|scripts|native|bench)\//.test(path) && !isTest(path);
    if (!isTitle && !(isMessage && token.text.includes(' '))) return [];
    return [{ text: token.text.slice(1, -1), line: token.line, opens: isTitle }];
  });
}

/** The first argument of `it`, `test`, `describe` and their `.each(…)`, `.skipIf(…)` forms. */
function isTitleAt(tokens: readonly Token[], enclosing: readonly number[], at: number): boolean {
  const open = enclosing[at] ?? -1;
  if (open < 0 || at !== open + 1) return false;
  const before = tokens.slice(Math.max(0, open - 400), open);
  const statement = before.slice(before.findLastIndex(({ text }) => text === ';') + 1);
  const callee = statement[statement.length - 1]?.text ?? '';
  if (/^(?:it|test|describe|suite)$/.test(callee)) return true;
  if (callee !== ')') return false;
  return statement.some(({ text }, index) => {
    return /^(?:it|test|describe)$/.test(text) && statement[index + 1]?.text === '.';
  });
}

function findingsIn(path: string, passage: Passage): Finding[] {
  if (isException(path, passage.text)) return [];
  const findings = passage.text.split('\n').flatMap((line, index) => {
    const prose = line.replace(/`[^`]*`/g, '``');
    return bannedWordings.flatMap(({ shape, instead }) => {
      const found = shape.exec(prose);
      if (found === null) return [];
      return [{ path, line: passage.line + index, message: `"${found[0]}": write ${instead}` }];
    });
  });
  const opening = passage.opens ? bannedOpening.exec(passage.text.trim()) : null;
  if (opening === null) return findings;
  const message = `opens with "${opening[0]}": ${openingAdvice}`;
  return [{ path, line: passage.line, message }, ...findings];
}

function isException(path: string, text: string): boolean {
  return exceptions.some((known) => known.path === path && text.includes(known.contains));
}
