/**
 * Connecting to one of several addresses, as RFC 8305 ("happy eyeballs") specifies.
 *
 * Address families alternate, starting with the family of the resolver's first address. An attempt
 * starts when the previous one has failed, or has not connected within CONNECTION_ATTEMPT_DELAY_MS.
 * The first connection is returned, and the other attempts are closed at once. All of it runs in
 * the calling task, which waits for all pending attempts at the same time.
 */

import { select } from '../../flow/select/select.ts';
import type { Selectable } from '../../kernel/case.ts';
import { now } from '../../kernel/current.ts';
import type { Wait } from '../../kernel/operation.ts';
import { sleepUntil, writable } from '../../kernel/waits.ts';
import type { Endpoint, Network, Transport, TransportConnectOptions } from '../../world/network.ts';
import { formatAddress } from '../address.ts';

/** "Connection Attempt Delay": the value that RFC 8305 recommends in section 8. */
const CONNECTION_ATTEMPT_DELAY_MS = 250;

/** Limits the number of pending attempts: each one holds a descriptor. */
const MAX_CONCURRENT_ATTEMPTS = 8;

/** An attempt, and its error; `undefined`: no answer yet. */
export interface ConnectionAttempt {
  readonly to: Endpoint;
  error: Error | undefined;
}

export class ConnectionAttempts {
  /** In the order in which they started. */
  readonly tried: ConnectionAttempt[] = [];
  /** True once an attempt has connected. */
  connected = false;
  readonly #network: Network;
  readonly #options: TransportConnectOptions;
  readonly #pending = new Map<ConnectionAttempt, Transport>();

  constructor(network: Network, options: TransportConnectOptions) {
    this.#network = network;
    this.#options = options;
  }

  /**
   * Returns the first connection; `undefined` if every attempt has failed (see `tried`).
   * Cancel: all attempts are closed.
   */
  *race(endpoints: readonly Endpoint[]): Generator<Wait, Transport | undefined> {
    const waiting = interleaveFamilies(endpoints);
    const delayMs = this.#hasFixedLocalPort() ? Infinity : CONNECTION_ATTEMPT_DELAY_MS;
    try {
      for (let next = waiting.shift(); ; next = waiting.shift()) {
        if (next !== undefined) this.#start(next);
        const more = waiting.length > 0 && this.#pending.size < MAX_CONCURRENT_ATTEMPTS;
        const nextAt = more ? now() + delayMs : Infinity;
        const connected = yield* this.#untilFailure(nextAt);
        if (connected !== undefined) return connected;
        if (this.#pending.size === 0 && waiting.length === 0) return undefined;
      }
    } finally {
      for (const transport of this.#pending.values()) transport.close();
    }
  }

  /** With a fixed local port, only one attempt can be pending at a time. */
  #hasFixedLocalPort(): boolean {
    const { localAddress } = this.#options;
    return localAddress !== undefined && 'port' in localAddress && localAddress.port !== 0;
  }

  /** Starts an attempt. It may fail at once: no route, no descriptor. */
  #start(to: Endpoint): void {
    const attempt: ConnectionAttempt = { to, error: undefined };
    this.tried.push(attempt);
    try {
      this.#pending.set(attempt, this.#network.connect(to, this.#options));
    } catch (error) {
      attempt.error = failureOf(error);
    }
  }

  /** Returns a connection; `undefined` when an attempt has failed, or at the time `nextAt`. */
  *#untilFailure(nextAt: number): Generator<Wait, Transport | undefined> {
    for (let count = this.#pending.size; count > 0; ) {
      const connected = this.#pollAttempts();
      if (connected !== undefined || this.#pending.size < count) return connected;
      if (yield* this.#wait(nextAt)) return undefined;
    }
    return undefined;
  }

  /** Checks every attempt. A failed one is closed, and its error is recorded. */
  #pollAttempts(): Transport | undefined {
    for (const [attempt, transport] of this.#pending) {
      try {
        if (!transport.tryConnect()) continue;
        this.#pending.delete(attempt);
        this.connected = true;
        return transport;
      } catch (error) {
        attempt.error = failureOf(error);
        this.#pending.delete(attempt);
        transport.close();
      }
    }
    return undefined;
  }

  /** Waits until an attempt has an outcome. Returns true at the time `nextAt`. */
  *#wait(nextAt: number): Generator<Wait, boolean> {
    const [first] = this.#pending.values();
    if (this.#pending.size === 1 && nextAt === Infinity) {
      yield* writable(first as Transport);
      return false;
    }
    const cases: Record<string, Selectable<unknown>> = { nextAttempt: sleepUntil(nextAt) };
    for (const [{ to }, transport] of this.#pending) {
      cases[formatAddress(to)] = writable(transport);
    }
    return (yield* select(cases)).key === 'nextAttempt';
  }
}

/** The error of an attempt. Any other thrown value is a bug or a cancellation. */
function failureOf(error: unknown): Error {
  if (error instanceof Error) return error;
  throw error;
}

/**
 * Alternates IPv6 and IPv4, keeping the order within a family (RFC 8305, section 4): if one family
 * is unreachable, the second attempt has the other. Duplicate addresses are removed.
 */
function interleaveFamilies(endpoints: readonly Endpoint[]): Endpoint[] {
  const unique = [...new Map(endpoints.map((each) => [formatAddress(each), each])).values()];
  const familyOf = (each: Endpoint | undefined) => each && 'family' in each && each.family;
  const first = unique.filter((each) => familyOf(each) === familyOf(unique[0]));
  const second = unique.filter((each) => familyOf(each) !== familyOf(unique[0]));
  const interleaved: Endpoint[] = [];
  for (let i = 0; i < first.length || i < second.length; i++) {
    interleaved.push(...first.slice(i, i + 1), ...second.slice(i, i + 1));
  }
  return interleaved;
}
