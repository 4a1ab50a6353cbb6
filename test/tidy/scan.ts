/**
 * A scanner for TypeScript, JavaScript and C. It splits a file into tokens and comments, so that a
 * rule does not mistake the contents of a string, template, regular expression or comment for code.
 * It does not parse.
 */

export type Language = 'script' | 'c';

export type TokenKind = 'word' | 'number' | 'string' | 'template' | 'regex' | 'punctuator';

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** The first line of the token, counted from 1. */
  readonly line: number;
  /** The last line: a template may span several. */
  readonly endLine: number;
}

export interface Comment {
  /** 'line' for `//`, 'block' for a plain block, 'doc' for a block that opens with two stars. */
  readonly kind: 'line' | 'block' | 'doc';
  readonly text: string;
  readonly line: number;
  /** True if only comments precede it in the file. */
  readonly leads: boolean;
}

export interface Scan {
  readonly tokens: readonly Token[];
  readonly comments: readonly Comment[];
  /** For a bracket the index of its partner; −1 for any other token. */
  readonly partner: readonly number[];
  /** The index of the innermost open bracket around a token; −1 at the top level. */
  readonly enclosing: readonly number[];
}

const space = /\s+/y;
const comment = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const hashbang = /#![^\n]*/y;
const directive = /#(?:[^\n\\]|\\[\s\S])*/y;
const string = /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y;
const regex = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
/** From a backtick, or the brace that ends a substitution, to the end of the text part. */
const templateStart = /`(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)/y;
const templateRest = /\}(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)/y;
const number = /0[xXbBoO][\da-fA-F_]+n?|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?n?/y;
const word = /[#@]?[\p{ID_Start}$_][\p{ID_Continue}$]*/uy;
const punctuator = /=>|\.\.\.|\?\.(?!\d)|\?\?|\+\+|--|(?!\/\*)[^\s'"`]/y;

/** Words after which, as after an operator, a slash begins a regular expression. */
const wordsBeforeExpression = new Set(
  'return typeof case in of delete void yield await throw new instanceof else do'.split(' '),
);
/** Words whose parentheses are not a value: a slash after them begins a regular expression. */
const wordsBeforeCondition = new Set(['if', 'while', 'for', 'with']);

const openers: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

export function scan(text: string, language: Language = 'script'): Scan {
  return new Scanner(text, language).run();
}

class Scanner {
  readonly #text: string;
  readonly #language: Language;
  #at = 0;
  #line = 1;
  readonly #tokens: Token[] = [];
  readonly #comments: Comment[] = [];
  readonly #partner: number[] = [];
  readonly #enclosing: number[] = [];
  /** Indices of the brackets and template substitutions that are open at the current position. */
  readonly #open: number[] = [];

  constructor(text: string, language: Language) {
    this.#text = text;
    this.#language = language;
  }

  run(): Scan {
    this.#take(hashbang);
    while (this.#at < this.#text.length) {
      if (this.#take(space) === undefined && !this.#comment() && !this.#token()) this.#fail();
    }
    if (this.#open.length > 0) this.#fail();
    return {
      tokens: this.#tokens,
      comments: this.#comments,
      partner: this.#partner,
      enclosing: this.#enclosing,
    };
  }

  /** Consumes a match of `pattern` at the current position and counts its lines. */
  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) return undefined;
    this.#at += found.length;
    this.#line += found.split('\n').length - 1;
    return found;
  }

  #comment(): boolean {
    const line = this.#line;
    const text = this.#take(comment);
    if (text === undefined) return false;
    const kind = text.startsWith('//') ? 'line' : text.startsWith('/**') ? 'doc' : 'block';
    this.#comments.push({ kind, text, line, leads: this.#tokens.length === 0 });
    return true;
  }

  #token(): boolean {
    return this.#language === 'c' ? this.#cToken() : this.#scriptToken();
  }

  #cToken(): boolean {
    if (this.#take(directive) !== undefined) return true;
    return (
      this.#push('string', string) ||
      this.#push('number', number) ||
      this.#push('word', word) ||
      this.#push('punctuator', punctuator)
    );
  }

  #scriptToken(): boolean {
    return (
      this.#push('string', string) ||
      this.#push('template', templateStart) ||
      (this.#inSubstitution() && this.#push('template', templateRest)) ||
      (this.#expressionMayBegin() && this.#push('regex', regex)) ||
      this.#push('number', number) ||
      this.#push('word', word) ||
      this.#push('punctuator', punctuator)
    );
  }

  #push(kind: TokenKind, pattern: RegExp): boolean {
    const line = this.#line;
    const text = this.#take(pattern);
    if (text === undefined) return false;
    const index = this.#tokens.push({ kind, text, line, endLine: this.#line }) - 1;
    this.#partner.push(-1);
    this.#nest(kind, text, index);
    return true;
  }

  /** Updates the stack of open brackets. Both ends of a pair are enclosed by the next outer one. */
  #nest(kind: TokenKind, text: string, index: number): void {
    if (kind === 'template' ? text.startsWith('}') : isCloser(kind, text)) this.#close(text, index);
    this.#enclosing.push(this.#open.at(-1) ?? -1);
    if (kind === 'template' ? text.endsWith('${') : isOpener(kind, text)) this.#open.push(index);
  }

  #close(text: string, index: number): void {
    const opener = this.#open.pop();
    const expected = opener === undefined ? undefined : this.#tokens[opener]?.text;
    if (opener === undefined || expected === undefined) this.#fail();
    if (!expected.endsWith('${') && openers[expected] !== text) this.#fail();
    this.#partner[opener] = index;
    this.#partner[index] = opener;
  }

  #inSubstitution(): boolean {
    const opener = this.#open.at(-1);
    return opener !== undefined && this.#tokens[opener]?.kind === 'template';
  }

  /** Distinguishes a regular expression from a division by the token before the slash. */
  #expressionMayBegin(): boolean {
    const last = this.#tokens.at(-1);
    if (last === undefined) return true;
    if (last.kind === 'word') return wordsBeforeExpression.has(last.text);
    if (last.kind === 'template') return last.text.endsWith('${');
    if (last.kind !== 'punctuator') return false;
    if (last.text === ')') return this.#closesCondition();
    return ![']', '++', '--'].includes(last.text);
  }

  #closesCondition(): boolean {
    const opener = this.#partner.at(-1) ?? -1;
    return wordsBeforeCondition.has(this.#tokens[opener - 1]?.text ?? '');
  }

  #fail(): never {
    const rest = JSON.stringify(this.#text.slice(this.#at, this.#at + 20));
    throw new SyntaxError(`Cannot scan line ${this.#line} at ${rest}`);
  }
}

function isOpener(kind: TokenKind, text: string): boolean {
  return kind === 'punctuator' && text in openers;
}

function isCloser(kind: TokenKind, text: string): boolean {
  return kind === 'punctuator' && (text === ')' || text === ']' || text === '}');
}
