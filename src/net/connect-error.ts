/** Why none of several addresses could be connected to. */
import { SystemError } from '../kernel/errors.ts';
import { formatAddress } from './address.ts';
import type { Attempt } from './attempts.ts';

/**
 * All addresses of a name have failed. `errors` has the error of each, in the order in which they
 * were tried; `code`, `errno`, `address` and `port` are those of the first.
 */
export class ConnectError extends SystemError {
  readonly errors: readonly Error[];

  constructor(target: string, tried: readonly Attempt[]) {
    const first = tried[0] as Attempt;
    const { code, errno } = first.error as SystemError;
    super(code, errno, 'connect', { ...first.to, text: `${target}: ${listOf(tried)}` });
    this.errors = tried.map(({ error }) => error as Error);
  }
}

/** The error for attempts that have all failed: that of the only one as it is. */
export function connectError(target: string, tried: readonly Attempt[]): Error {
  return tried.length === 1 ? (tried[0]?.error as Error) : new ConnectError(target, tried);
}

/** "[::1]:80 ECONNREFUSED, 127.0.0.1:80 no answer". */
export function listOf(tried: readonly Attempt[]): string {
  return tried.map(({ to, error }) => `${formatAddress(to)} ${reasonOf(error)}`).join(', ');
}

function reasonOf(error: Error | undefined): string {
  if (error === undefined) return 'no answer';
  return (error as Partial<SystemError>).code ?? error.message;
}
