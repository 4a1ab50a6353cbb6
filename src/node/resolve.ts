/** Host name resolution by the resolver of the system, for both backends. */
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns';

/** One address of a name. */
export interface ResolvedHost {
  readonly host: string;
  readonly family: 4 | 6;
}

/**
 * Called once, asynchronously, with the addresses in the order in which to try them, or with the
 * error.
 */
export type ResolveDone = (error: unknown, hosts: readonly ResolvedHost[]) => void;

/**
 * Resolves `host` as getaddrinfo(3) does, hosts file included, in the order of the resolver (which
 * has sorted by RFC 6724). Errors are those of Node: ENOTFOUND, EAI_AGAIN.
 *
 * The returned function cancels: `done` is not called any more. The lookup itself cannot be
 * stopped; it ends on a thread of libuv, and its result is dropped.
 */
export function resolveName(host: string, done: ResolveDone): () => void {
  let pending = true;
  lookup(host, { all: true, verbatim: true }, (error, addresses) => {
    if (!pending) return;
    pending = false;
    if (error !== null) done(error, []);
    else done(undefined, addresses.map(toHost));
  });
  return () => {
    pending = false;
  };
}

function toHost({ address, family }: LookupAddress): ResolvedHost {
  return { host: address, family: family === 6 ? 6 : 4 };
}
