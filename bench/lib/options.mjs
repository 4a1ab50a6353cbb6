// Options that the benchmarks share.

import { parseArgs } from 'node:util';

/** A mistake in the command line: the message and the help are printed. */
export class UsageError extends Error {}

export const text = { type: 'string' };
export const flag = { type: 'boolean', default: false };

/** The values of `args`, as `parseArgs` of node:util returns them. */
export function parse(args, options) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new UsageError(error.message);
  }
}

/** A number with an optional unit: '64K' with the units { K: 1024 }. */
export function number(name, value, least, units = {}) {
  const unit = value.slice(-1).toUpperCase();
  const known = Object.hasOwn(units, unit);
  const parsed = Number(known ? value.slice(0, -1) : value) * (known ? units[unit] : 1);
  if (Number.isFinite(parsed) && parsed >= least && value !== '') return parsed;
  throw new UsageError(`Expected --${name} to be a number ≥ ${least}, got '${value}'`);
}

export function count(name, value, least = 1, units = {}) {
  const parsed = number(name, value, least, units);
  if (Number.isInteger(parsed)) return parsed;
  throw new UsageError(`Expected --${name} to be a whole number, got '${value}'`);
}

/** '1,50' -> [1, 50] */
export const counts = (name, list, units) =>
  names(list).map((value) => count(name, value, 1, units));

/** 'a, b' -> ['a', 'b'] */
export const names = (list) => list?.split(',').map((name) => name.trim());

/** 'node=/usr/bin/node' -> { name, path } */
export function peer(given) {
  const at = given.indexOf('=');
  if (at > 0 && at < given.length - 1) {
    return { name: given.slice(0, at), path: given.slice(at + 1) };
  }
  throw new UsageError(`Expected --peer name=path, got '${given}'`);
}
