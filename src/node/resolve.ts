/** Names to addresses, by the system's own resolver. Both real networks use it. */
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns';

/** One address of a name. */
export interface ResolvedHost {
  readonly host: string;
  readonly family: 4 | 6;
}

/** Called once, later: with the addresses in the order to try them, or with the error. */
export type ResolveDone = (error: unknown, hosts: readonly ResolvedHost[]) => void;

/**
 * Looks `host` up as getaddrinfo(3) does, hosts file included, and keeps the resolver's order (RFC
 * 6724 sorting has been done there). Errors are Node's own: ENOTFOUND, EAI_AGAIN.
 *
 * The returned function gives the question up: `done` is not called any more. The look-up itself
 * cannot be stopped; it ends on libuv's thread and its answer is dropped.
 */
export function resolveName(host: string, done: ResolveDone): () => void {
  let wanted = true;
  lookup(host, { all: true, verbatim: true }, (error, addresses) => {
    if (!wanted) return;
    wanted = false;
    if (error !== null) done(error, []);
    else done(undefined, addresses.map(toHost));
  });
  return () => {
    wanted = false;
  };
}

function toHost({ address, family }: LookupAddress): ResolvedHost {
  return { host: address, family: family === 6 ? 6 : 4 };
}
