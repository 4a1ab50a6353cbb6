/** Argument checks. Messages follow one formula: expected, got, type. */

import { nearest } from './nearest.ts';

/** A TypeError with Node's code for it: expected, got, type. */
export function wrongType(name: string, expected: string, got: unknown): TypeError {
  const message = `Expected \`${name}\` to be ${expected}, got ${show(got)} (${typeName(got)})`;
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
}

/** A RangeError with Node's code for it: expected, got, type. */
export function outOfRange(name: string, expected: string, got: unknown): RangeError {
  const message = `Expected \`${name}\` to be ${expected}, got ${show(got)} (${typeName(got)})`;
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
}

/** Throws unless `ms` is a number ≥ 0. Infinity is legal: it never comes. */
export function checkDuration(name: string, ms: number): void {
  if (typeof ms !== 'number') throw wrongType(name, 'a number ≥ 0', ms);
  if (!(ms >= 0)) throw outOfRange(name, 'a number ≥ 0', ms);
}

/** Throws unless `at` is a number (a point on the scheduler's clock; Infinity and the past are). */
export function checkInstant(name: string, at: number): void {
  if (typeof at !== 'number') throw wrongType(name, 'a number', at);
  if (Number.isNaN(at)) throw outOfRange(name, 'a number', at);
}

/** Throws unless `value` is a whole number from `least` up to `most`. */
export function checkInteger(name: string, value: number, least: number, most: number): void {
  const expected = `a whole number from ${least} to ${most}`;
  if (typeof value !== 'number') throw wrongType(name, expected, value);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw outOfRange(name, expected, value);
  }
}

/** Throws unless `value` is true or false. */
export function checkBoolean(name: string, value: boolean): void {
  if (typeof value !== 'boolean') throw wrongType(name, 'true or false', value);
}

/** How a message shows a value: short, and whatever the value is. Never throws. */
export function show(value: unknown): string {
  return textOrFallback(() => clip(showOf(value, 0)));
}

/** A revoked proxy, a `toString` that throws: the message around it matters more. */
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
    return `[${value
      .slice(0, 4)
      .map((item) => showOf(item, depth + 1))
      .join(', ')}]`;
  }
  if (typeof value === 'object' && value !== null) return Object.prototype.toString.call(value);
  return String(value);
}

/** The first line of what a thrown value says of itself, clipped. Never throws. */
export function firstLine(thrown: unknown): string {
  return textOrFallback(() => {
    const line = String(thrown).split('\n', 1)[0] as string;
    return line.length <= 200 ? line : `${line.slice(0, 197)}…`;
  });
}

/** The stack of an error, or what any other thrown value says of itself. Never throws. */
export function stackOf(thrown: unknown): string {
  return textOrFallback(() => String((thrown instanceof Error && thrown.stack) || thrown));
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function clip(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}

/**
 * The names in an object that is handed in. A mistyped one would be left out in silence: a server
 * that should share its port would not, `{ hostname, port }` would be all interfaces.
 */

/** Every name of an object. A name that is added to the type must be added to the list. */
export type Keys<T> = { readonly [K in keyof Required<T>]: true };

/** Throws unless `options` is an object whose names are all in `keys`. */
export function checkKeys<T extends object>(name: string, options: T, keys: Keys<T>): void {
  if (typeof options !== 'object' || options === null) throw wrongType(name, 'an object', options);
  const known = Object.keys(keys);
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined || known.includes(key)) continue;
    const guess = nearest(key, known);
    const hint = guess === undefined ? `known: ${known.join(', ')}` : `did you mean \`${guess}\`?`;
    throw wrongType(`${name}.${key}`, `absent (${hint})`, value);
  }
}

/** Of `options`, which may have others, those that are in `keys`. */
export function pick<T extends object>(options: T, keys: Keys<T>): T {
  return Object.fromEntries(
    Object.entries(options).filter(([key]) => Object.hasOwn(keys, key)),
  ) as T;
}

/** Throws unless `value` is absent or a boolean. */
export function checkOptionalBoolean(name: string, value: boolean | undefined): void {
  if (value !== undefined && typeof value !== 'boolean') throw wrongType(name, 'a boolean', value);
}

/** Names and sizes of what this room makes: how they are checked and shown. */

/** Throws unless `name` is a string. */
export function checkName(name: string): void {
  if (typeof name !== 'string') throw wrongType('name', 'a string', name);
}

/** Throws unless `value` is a whole number of at least `least`, or Infinity. */
export function checkCount(label: string, value: number, least: number): void {
  const expected = `a whole number ≥ ${least}, or Infinity`;
  if (typeof value !== 'number') throw wrongType(label, expected, value);
  if (value === Infinity) return;
  if (!Number.isSafeInteger(value) || value < least) throw outOfRange(label, expected, value);
}

/** "channel 'jobs'", or "channel" for one that has no name. */
export function titled(kind: string, name: string): string {
  return name === '' ? kind : `${kind} '${name}'`;
}

/** "task 7 'writer'". */
export function taskTitle(task: { readonly id: number; readonly name: string }): string {
  return `task ${task.id} '${task.name}'`;
}
