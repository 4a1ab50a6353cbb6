/** Argument checks. Messages follow one formula: expected, got, type. */

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
  return ifItCan(() => clip(showOf(value, 0)));
}

/** A revoked proxy, a `toString` that throws: the message around it matters more. */
function ifItCan(text: () => string): string {
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
  return ifItCan(() => {
    const line = String(thrown).split('\n', 1)[0] as string;
    return line.length <= 200 ? line : `${line.slice(0, 197)}…`;
  });
}

/** The stack of an error, or what any other thrown value says of itself. Never throws. */
export function stackOf(thrown: unknown): string {
  return ifItCan(() => String((thrown instanceof Error && thrown.stack) || thrown));
}

function typeName(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

function clip(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
