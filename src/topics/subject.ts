/**
 * Subjects and patterns as NATS defines them: tokens separated by dots. In a pattern, `*` stands
 * for one token, and `>` as the last token for one or more.
 */
import { outOfRange, wrongType } from '../support/checks.ts';

/** The maximum length in bytes. NATS has no limit but that of its protocol line, 4096 bytes. */
const MAX_LENGTH = 1024;

/** Throws unless `subject` can be published to. */
export function checkSubject(name: string, subject: unknown): asserts subject is string {
  checkTokens(name, subject, 'tokens separated by dots, without spaces and wildcards');
  if (subject.split('.').some((token) => token === '*' || token === '>')) {
    throw outOfRange(name, 'a subject without the wildcards `*` and `>`', subject);
  }
}

/** Throws unless `pattern` can be subscribed to. */
export function checkPattern(name: string, pattern: unknown): asserts pattern is string {
  checkTokens(name, pattern, 'tokens separated by dots, without spaces');
  const at = pattern.split('.').indexOf('>');
  if (at >= 0 && at < pattern.split('.').length - 1) {
    throw outOfRange(name, 'a pattern with `>` as its last token only', pattern);
  }
}

/** Throws unless `queue` can be the name of a queue group. */
export function checkQueue(queue: unknown): asserts queue is string {
  checkTokens('queue', queue, 'a name without spaces');
}

function checkTokens(name: string, text: unknown, form: string): asserts text is string {
  if (typeof text !== 'string') throw wrongType(name, form, text);
  const isValid = /^[^\s.\0]+(?:\.[^\s.\0]+)*$/.test(text);
  if (!isValid) throw outOfRange(name, form, text);
  if (Buffer.byteLength(text) > MAX_LENGTH)
    throw outOfRange(name, `at most ${MAX_LENGTH} bytes`, text);
}

interface TreeNode<T> {
  readonly children: Map<string, TreeNode<T>>;
  readonly values: Set<T>;
}

/** Values by patterns. A look-up costs per token of the subject, not per pattern. */
export class SubjectTree<T> {
  readonly #root: TreeNode<T> = emptyNode();

  add(pattern: string, value: T): void {
    let node = this.#root;
    for (const token of pattern.split('.')) {
      let child = node.children.get(token);
      if (child === undefined) {
        child = emptyNode();
        node.children.set(token, child);
      }
      node = child;
    }
    node.values.add(value);
  }

  delete(pattern: string, value: T): void {
    this.#deleteBelow(this.#root, pattern.split('.'), value);
  }

  /** Removes nodes that have become empty, so that the tree does not grow with old subjects. */
  #deleteBelow(node: TreeNode<T>, tokens: readonly string[], value: T): void {
    const [token, ...rest] = tokens;
    if (token === undefined) {
      node.values.delete(value);
      return;
    }
    const child = node.children.get(token);
    if (child === undefined) return;
    this.#deleteBelow(child, rest, value);
    if (child.values.size === 0 && child.children.size === 0) node.children.delete(token);
  }

  get isEmpty(): boolean {
    return this.#root.children.size === 0;
  }

  /** The values whose patterns match `subject`. */
  match(subject: string): T[] {
    const found: T[] = [];
    collect(this.#root, subject.split('.'), 0, found);
    return found;
  }
}

function collect<T>(node: TreeNode<T>, tokens: readonly string[], at: number, found: T[]): void {
  if (at === tokens.length) {
    found.push(...node.values);
    return;
  }
  const literal = node.children.get(tokens[at] as string);
  const any = node.children.get('*');
  const rest = node.children.get('>');
  if (literal !== undefined) collect(literal, tokens, at + 1, found);
  if (any !== undefined) collect(any, tokens, at + 1, found);
  if (rest !== undefined) found.push(...rest.values);
}

function emptyNode<T>(): TreeNode<T> {
  return { children: new Map(), values: new Set() };
}
