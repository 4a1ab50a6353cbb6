/**
 * The names in an object that is handed in. A mistyped one would be left out in silence: a server
 * that should share its port would not, `{ hostname, port }` would be all interfaces.
 */
import { wrongType } from '../kernel/checks.ts';
import { nearest } from '../kernel/nearest.ts';

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
export function checkSwitch(name: string, value: boolean | undefined): void {
  if (value !== undefined && typeof value !== 'boolean') throw wrongType(name, 'a boolean', value);
}
