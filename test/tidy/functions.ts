/**
 * Finds the functions of a scanned file: their first and last lines and their number of positional
 * parameters. A function is any parameter list that is followed by a body.
 */
import type { Language, Scan, Token } from './scan.ts';

export interface FoundFunction {
  readonly name: string;
  readonly line: number;
  /** Lines of the function without those of nested tests and suites. */
  readonly lines: number;
  readonly parameters: number;
  /** True for the callback of a `describe`: it lists tests and may be long. */
  readonly isSuite: boolean;
}

interface Extent {
  /** Index of the parenthesis that opens the parameter list. */
  readonly open: number;
  readonly firstLine: number;
  readonly lastLine: number;
  /** The callee that takes the function as an argument (`describe`, `it`), or ''. */
  readonly passedTo: string;
}

const controlWords = new Set(['if', 'for', 'while', 'switch', 'catch', 'with']);
/** Words before the parameters of an arrow function that are not its name. */
const wordsBeforeArrow = new Set('async await case default return typeof yield'.split(' '));
const wordsBeforeName = new Set(['function', 'async', 'get', 'set', '*']);
/** Words inside a type that an operand follows. */
const typePrefixes = new Set(
  'readonly keyof typeof unique infer new abstract asserts is extends'.split(' '),
);
const typeOperators = new Set(['|', '&', '.', '?', ':', '-']);
const suites = new Set(['describe', 'suite']);
const tests = new Set(['describe', 'suite', 'it', 'test']);

export function findFunctions(scan: Scan, language: Language = 'script'): FoundFunction[] {
  const extents = scan.tokens.flatMap((token, open) => {
    if (token.text !== '(' || token.kind !== 'punctuator') return [];
    return extentOf(scan, open, language) ?? [];
  });
  return extents.map((extent) => ({
    name: nameOf(scan, extent),
    line: extent.firstLine,
    lines: ownLines(extent, extents),
    parameters: countParameters(scan, extent.open),
    isSuite: suites.has(extent.passedTo),
  }));
}

/** The function whose parameter list opens at `open`; `undefined` if there is none. */
function extentOf(scan: Scan, open: number, language: Language): Extent | undefined {
  const { tokens, partner } = scan;
  if (opensControl(scan, open)) return undefined;
  const body = bodyAfter(scan, (partner[open] ?? open) + 1, language);
  if (body === undefined) return undefined;
  const last = text(scan, body) === '{' ? (partner[body] ?? body) : endOfExpression(scan, body);
  const start = startOf(scan, open);
  return {
    open,
    firstLine: tokens[start]?.line ?? 0,
    lastLine: tokens[last]?.endLine ?? 0,
    passedTo: calleeOf(scan, scan.enclosing[open] ?? -1),
  };
}

/** True for `if (`, `for await (` and the call in `class A extends mixin(B) {`. */
function opensControl(scan: Scan, open: number): boolean {
  const before = text(scan, open - 1);
  const further = text(scan, open - 2);
  if (before === 'await') return further === 'for';
  return further === 'extends' || (controlWords.has(before) && further !== '.');
}

/** The index of the body after a parameter list; `undefined` if none follows. */
function bodyAfter(scan: Scan, after: number, language: Language): number | undefined {
  if (text(scan, after) === '{') return after;
  if (language === 'c') return undefined;
  if (text(scan, after) === '=>') return after + 1;
  if (text(scan, after) !== ':') return undefined;
  const end = endOfType(scan, after + 1);
  if (text(scan, end) === '{') return end;
  return text(scan, end) === '=>' ? end + 1 : undefined;
}

/** The index after the type that begins at `at`. */
function endOfType(scan: Scan, at: number): number {
  let expectsOperand = true;
  let afterGroup = false;
  while (at < scan.tokens.length) {
    const here = text(scan, at);
    if (typePrefixes.has(here) || typeOperators.has(here) || (here === '=>' && afterGroup)) {
      expectsOperand = true;
      at += 1;
    } else if (here === '[' || (expectsOperand && (here === '{' || here === '('))) {
      at = (scan.partner[at] ?? at) + 1;
      expectsOperand = false;
    } else if (here === '<') {
      at = endOfAngles(scan, at);
      expectsOperand = false;
    } else if (expectsOperand && scan.tokens[at]?.kind !== 'punctuator') {
      expectsOperand = false;
      at += 1;
    } else {
      return at;
    }
    afterGroup = text(scan, at - 1) === ')';
  }
  return at;
}

/** The index after the angle brackets that open at `at`. */
function endOfAngles(scan: Scan, at: number): number {
  let depth = 0;
  for (; at < scan.tokens.length; at += 1) {
    if (text(scan, at) === '<') depth += 1;
    if (text(scan, at) === '>') depth -= 1;
    if (depth === 0) return at + 1;
  }
  return at;
}

/**
 * The index of the last token of the expression that begins at `start`. A word followed by a brace
 * ends it: they are the end of a return type `(a: A) => B` and the body of the function.
 */
function endOfExpression(scan: Scan, start: number): number {
  let at = start;
  while (at < scan.tokens.length) {
    const here = text(scan, at);
    const partner = scan.partner[at] ?? -1;
    if (here === ',' || here === ';' || (partner >= 0 && partner < at)) return at - 1;
    if (here === '{' && at > start && scan.tokens[at - 1]?.kind === 'word') return at - 1;
    at = partner > at ? partner + 1 : at + 1;
  }
  return at - 1;
}

/** The first token of the function: `async`, `function` or its name, if present. */
function startOf(scan: Scan, open: number): number {
  let start = beforeAngles(scan, open - 1) + 1;
  if (scan.tokens[start - 1]?.kind === 'word') start -= 1;
  while (wordsBeforeName.has(text(scan, start - 1))) start -= 1;
  return start;
}

/** The index before `<…>`, which may stand between a name and its parameters. */
function beforeAngles(scan: Scan, at: number): number {
  if (text(scan, at) !== '>') return at;
  let depth = 0;
  for (; at >= 0; at -= 1) {
    if (text(scan, at) === '>') depth += 1;
    if (text(scan, at) === '<') depth -= 1;
    if (depth === 0) return at - 1;
  }
  return at;
}

function nameOf(scan: Scan, extent: Extent): string {
  const before = scan.tokens[beforeAngles(scan, extent.open - 1)];
  const isName = before?.kind === 'word' && !wordsBeforeArrow.has(before.text);
  if (isName && !wordsBeforeName.has(before.text)) return before.text;
  const start = startOf(scan, extent.open);
  if (['=', ':'].includes(text(scan, start - 1))) return text(scan, start - 2);
  return extent.passedTo === '' ? 'a function' : `the callback of ${extent.passedTo}`;
}

/** The first word of the callee whose argument list opens at `open`: `it` for `it.each(x)(…)`. */
function calleeOf(scan: Scan, open: number): string {
  if (text(scan, open) !== '(') return '';
  let at = open - 1;
  while (at >= 0) {
    const partner = scan.partner[at] ?? -1;
    if (partner >= 0 && partner < at) at = partner - 1;
    else if (scan.tokens[at]?.kind === 'template' || text(scan, at) === '.') at -= 1;
    else if (scan.tokens[at]?.kind === 'word' && text(scan, at - 1) === '.') at -= 2;
    else break;
  }
  return scan.tokens[at]?.kind === 'word' ? text(scan, at) : '';
}

/** Lines from first to last, without those of nested tests and suites. */
function ownLines(extent: Extent, all: readonly Extent[]): number {
  let lines = extent.lastLine - extent.firstLine + 1;
  let covered = extent.firstLine;
  for (const other of all) {
    if (other === extent || !tests.has(other.passedTo) || other.firstLine <= covered) continue;
    if (other.lastLine > extent.lastLine) break;
    lines -= other.lastLine - other.firstLine + 1;
    covered = other.lastLine;
  }
  return lines;
}

/** The number of positional parameters, without a `this` parameter. */
function countParameters(scan: Scan, open: number): number {
  const close = scan.partner[open] ?? open;
  let count = 0;
  let expectsParameter = true;
  for (let at = open + 1; at < close; at += 1) {
    const here = scan.tokens[at] as Token;
    if (here.text === ',') {
      expectsParameter = true;
      continue;
    }
    if (expectsParameter && !(here.text === 'this' && text(scan, at + 1) === ':')) count += 1;
    expectsParameter = false;
    const partner = scan.partner[at] ?? -1;
    if (partner > at) at = partner;
    if (here.text === '<') at = endOfAngles(scan, at) - 1;
  }
  return count;
}

function text(scan: Scan, at: number): string {
  const token = scan.tokens[at];
  return token === undefined || token.kind === 'string' ? '' : token.text;
}
