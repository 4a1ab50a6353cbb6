/** Argument checks and the texts of their messages: expected value, actual value, its type. */

/** The TypeError for an argument, with Node's code ERR_INVALID_ARG_TYPE. */
export function wrongType(name: string, expected: string, got: unknown): TypeError {
  const type = isNamesake(got, expected) ? 'of another copy of the package' : typeName(got);
  const message = `Expected \`${name}\` to be ${expected}, got ${show(got)} (${type})`;
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
}

/** Whether `value` has a class with the expected name that is not the expected class. */
function isNamesake(value: unknown, expected: string): boolean {
  const { name } = (value as { constructor?: { name?: unknown } } | null)?.constructor ?? {};
  return typeof value === 'object' && /^[A-Z]/.test(String(name)) && expected === `a ${name}`;
}

/** The RangeError for an argument, with Node's code ERR_OUT_OF_RANGE. */
export function outOfRange(name: string, expected: string, got: unknown): RangeError {
  const message = `Expected \`${name}\` to be ${expected}, got ${show(got)} (${typeName(got)})`;
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}

/** Throws unless `ms` is a number ≥ 0. Infinity is allowed. */
export function checkDuration(name: string, ms: unknown): void {
  checkNumber(name, ms, 'a number ≥ 0', typeof ms === 'number' && ms >= 0);
}

/** Throws unless `at` is a number, a time on the scheduler's clock. It may be past or infinite. */
export function checkInstant(name: string, at: number): void {
  checkNumber(name, at, 'a number', !Number.isNaN(at));
}

/** Throws unless `value` is a whole number from `least` to `most`. */
export function checkInteger(name: string, value: number, least: number, most: number): void {
  const isValid = Number.isInteger(value) && value >= least && value <= most;
  checkNumber(name, value, `a whole number from ${least} to ${most}`, isValid);
}

/** Throws unless `value` is a whole number of at least `least`, or Infinity. */
export function checkCount(name: string, value: number, least: number): void {
  const isValid = value === Infinity || (Number.isSafeInteger(value) && value >= least);
  checkNumber(name, value, `a whole number ≥ ${least}, or Infinity`, isValid);
}

/** Throws unless `value` is a number from 0 to 1. */
export function checkProbability(name: string, value: number): void {
  const isValid = Number.isFinite(value) && value >= 0 && value <= 1;
  checkNumber(name, value, 'a number from 0 to 1', isValid);
}

/** Throws unless `value` is a number and valid. */
export function checkNumber(
  name: string,
  value: unknown,
  expected: string,
  isValid: boolean,
): void {
  if (typeof value !== 'number') throw wrongType(name, expected, value);
  if (!isValid) throw outOfRange(name, expected, value);
}

/** Throws unless `value` is true or false. */
export function checkBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw wrongType(name, 'true or false', value);
}

/** Throws unless `value` is absent, true or false. */
export function checkOptionalBoolean(name: string, value: boolean | undefined): void {
  if (value !== undefined) checkBoolean(name, value);
}

/** Throws unless `name` is a string. */
export function checkName(name: string): void {
  if (typeof name !== 'string') throw wrongType('name', 'a string', name);
}

/** All property names of an options type. The compiler rejects a list that is incomplete. */
export type Keys<T> = { readonly [K in keyof Required<T>]: true };

/**
 * Throws unless `options` is an object whose names are all in `keys`. Otherwise a mistyped name
 * would be ignored: with `{ hostname, port }`, a server would listen on all interfaces.
 */
export function checkKeys<T extends object>(name: string, options: T, keys: Keys<T>): void {
  if (typeof options !== 'object' || options === null) throw wrongType(name, 'an object', options);
  // On hot paths, so without arrays for the usual case: all names are known.
  for (const key in options) {
    if (!Object.hasOwn(keys, key) && Object.hasOwn(options, key) && options[key] !== undefined) {
      throw unknownKey(`${name}.${key}`, key, { known: Object.keys(keys), value: options[key] });
    }
  }
}

function unknownKey(
  name: string,
  key: string,
  { known, value }: { readonly known: readonly string[]; readonly value: unknown },
): TypeError {
  const guess = nearest(key, known);
  const hint = guess === undefined ? `known: ${known.join(', ')}` : `did you mean \`${guess}\`?`;
  return wrongType(name, `absent (${hint})`, value);
}

/** Copies the properties of `options` that are in `keys`. */
export function pick<T extends object>(options: T, keys: Keys<T>): T {
  return Object.fromEntries(
    Object.entries(options).filter(([key]) => Object.hasOwn(keys, key)),
  ) as T;
}

/** A short text for any value, for messages. Never throws. */
export function show(value: unknown): string {
  return textOrFallback(() => clip(showOf(value, 0)));
}

/** Some values cannot be converted: a revoked proxy, or an object whose `toString` throws. */
function textOrFallback(text: () => string): string {
  try {
    return text();
  } catch {
    return 'a value that cannot be shown';
  }
}

function showOf(value: unknown, depth: number): string {
  if (typeof value === 'string') return JSON.stringify(clip(value));
  if (typeof value === 'function') return `function ${value.name || '(anonymous)'}`;
  if (Array.isArray(value)) {
    if (depth > 1) return '[…]';
    const items = value.slice(0, 4).map((item) => showOf(item, depth + 1));
    return `[${items.join(', ')}]`;
  }
  if (typeof value === 'object' && value !== null) return Object.prototype.toString.call(value);
  return String(value);
}

/** `value instanceof type` for a thrown value: false where that throws (a revoked proxy). */
export function isInstance<T>(
  value: unknown,
  type: abstract new (...args: never[]) => T,
): value is T {
  try {
    return value instanceof type;
  } catch {
    return false;
  }
}

/** A property of a thrown value; `undefined` if it has none or its getter throws. */
export function propertyOf(thrown: unknown, name: string | symbol): unknown {
  try {
    return (thrown as Record<string | symbol, unknown> | null | undefined)?.[name];
  } catch {
    return undefined;
  }
}

/** `String(value)`. Never throws. */
export function textOf(value: unknown): string {
  return textOrFallback(() => String(value));
}

/** The first line of a thrown value as text, clipped. Never throws. */
export function firstLine(thrown: unknown): string {
  return textOrFallback(() => clip(String(thrown).split('\n', 1)[0] as string, 200));
}

/** Items that `briefList` shows. */
const MAX_ITEMS = 8;

/** "a; b; and 3 more": the first items of a list, for a message whose length must be bounded. */
export function briefList<T>(items: readonly T[], textFor: (item: T) => string): string {
  const shown = items.slice(0, MAX_ITEMS).map(textFor);
  if (items.length > MAX_ITEMS) shown.push(`and ${items.length - MAX_ITEMS} more`);
  return shown.join('; ');
}

/** The stack of an error, or any other thrown value as text. Never throws. */
export function stackOf(thrown: unknown): string {
  return textOrFallback(() => String((thrown instanceof Error && thrown.stack) || thrown));
}

/** The name of the class of an object. In a bundle, the second class of a name has a suffix. */
export function classNameOf(value: object): string {
  return value.constructor.name.replace(/\$\d+$/, '');
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** `text` with at most `maxLength` characters. */
export function clip(text: string, maxLength = 60): string {
  return text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`;
}

/** "250 ms", for messages: without fractions from 10 ms on, with three digits below. */
export function msText(ms: number): string {
  return `${ms < 10 ? Number(ms.toPrecision(3)) : Math.round(ms)} ms`;
}

/** "channel 'jobs'", or "channel" without a name. */
export function titled(kind: string, name: string): string {
  return name === '' ? kind : `${kind} '${name}'`;
}

/** "task 7 'writer'". */
export function taskTitle(task: { readonly id: number; readonly name: string }): string {
  return `task ${task.id} '${task.name}'`;
}

/** For "did you mean": the word of `words` with the smallest edit distance, if it is small. */
export function nearest(typed: string, words: readonly string[]): string | undefined {
  let best: string | undefined;
  let limit = Math.max(2, Math.floor(typed.length / 3)) + 1;
  for (const word of words) {
    const edits = editDistance(typed, word);
    if (edits >= limit) continue;
    limit = edits;
    best = word;
  }
  return best;
}

/** The Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
