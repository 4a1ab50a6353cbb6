/**
 * One connection out of several addresses, as RFC 8305 ("happy eyeballs") races them.
 *
 * Address families take turns, beginning with the one that the resolver put first. An attempt
 * begins when the one before it has failed, or has had no answer for ATTEMPT_DELAY_MS. The first
 * that stands wins; the others are closed at once. Everything happens in the calling task: it waits
 * for all attempts that are under way at the same time.
 */
import { select } from '../../flow/select/select.ts';
import { now } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { sleepUntil, writable } from '../../kernel/waits.ts';
import type { Endpoint, Network, Transport, TransportConnectOptions } from '../../world/network.ts';
import { formatAddress } from '../address.ts';

/** "Connection Attempt Delay": the value that RFC 8305 recommends in section 8. */
const CONNECTION_ATTEMPT_DELAY_MS = 250;

/** So many may be under way: each holds a descriptor. */
const MAX_CONCURRENT_ATTEMPTS = 8;

/** An address that was tried, and why it failed; `undefined`: it has not answered so far. */
export interface ConnectionAttempt {
  readonly to: Endpoint;
  error: Error | undefined;
}

/** An attempt that is under way. */
interface PendingAttempt {
  readonly attempt: ConnectionAttempt;
  readonly transport: Transport;
}

export class ConnectionAttempts {
  /** In the order in which they were begun. */
  readonly tried: ConnectionAttempt[] = [];
  /** True once one of them stands. */
  connected = false;
  readonly #network: Network;
  readonly #options: TransportConnectOptions;
  readonly #pending: PendingAttempt[] = [];

  constructor(network: Network, options: TransportConnectOptions) {
    this.#network = network;
    this.#options = options;
  }

  /**
   * The first connection that stands; `undefined`: every attempt has failed (see `tried`).
   * Cancel: all attempts are given up.
   */
  *race(endpoints: readonly Endpoint[]): Generator<Wait, Transport | undefined> {
    const waiting = interleaveFamilies(endpoints);
    const delayMs = this.#sharesPort() ? Infinity : CONNECTION_ATTEMPT_DELAY_MS;
    try {
      for (let next = waiting.shift(); ; next = waiting.shift()) {
        if (next !== undefined) this.#start(next);
        const more = waiting.length > 0 && this.#pending.length < MAX_CONCURRENT_ATTEMPTS;
        const late = more ? now() + delayMs : Infinity;
        const connected = yield* this.#untilFailure(late);
        if (connected !== undefined) return connected;
        if (this.#pending.length === 0 && waiting.length === 0) return undefined;
      }
    } finally {
      for (const { transport } of this.#pending) transport.close();
    }
  }

  /** With one port for all of them, no two attempts may be under way. */
  #sharesPort(): boolean {
    const { localAddress } = this.#options;
    return localAddress !== undefined && 'port' in localAddress && localAddress.port !== 0;
  }

  /** What is known to fail at once has failed: no route, no descriptor. */
  #start(to: Endpoint): void {
    const attempt: ConnectionAttempt = { to, error: undefined };
    this.tried.push(attempt);
    try {
      this.#pending.push({ attempt, transport: this.#network.connect(to, this.#options) });
    } catch (error) {
      attempt.error = failureOf(error);
    }
  }

  /** The connection that stands; `undefined` when one has failed, or when `late` has come. */
  *#untilFailure(late: number): Generator<Wait, Transport | undefined> {
    for (let running = this.#pending.length; running > 0; ) {
      const connected = this.#pollAttempts();
      if (connected !== undefined || this.#pending.length < running) return connected;
      if (yield* this.#wait(late)) return undefined;
    }
    return undefined;
  }

  /** Asks every attempt. Those that have failed are closed and noted. */
  #pollAttempts(): Transport | undefined {
    for (const running of [...this.#pending]) {
      try {
        if (!running.transport.tryConnect()) continue;
        this.#remove(running);
        this.connected = true;
        return running.transport;
      } catch (error) {
        running.attempt.error = failureOf(error);
        this.#remove(running);
        running.transport.close();
      }
    }
    return undefined;
  }

  #remove(running: PendingAttempt): void {
    this.#pending.splice(this.#pending.indexOf(running), 1);
  }

  /** Waits for an answer to any of the attempts. True: `late` has come. */
  *#wait(late: number): Generator<Wait, boolean> {
    const [first, ...others] = this.#pending as [PendingAttempt, ...PendingAttempt[]];
    if (others.length === 0 && late === Infinity) {
      yield* writable(first.transport);
      return false;
    }
    const arms: Record<string, Operation<unknown>> = { late: sleepUntil(late) };
    for (const { attempt, transport } of this.#pending) {
      arms[formatAddress(attempt.to)] = writable(transport);
    }
    return (yield* select(arms)).key === 'late';
  }
}

/** An answer of the network; anything else is a mistake in it, or a cancellation. */
function failureOf(error: unknown): Error {
  if (error instanceof Error) return error;
  throw error;
}

/**
 * IPv6 and IPv4 in turns, the order within a family being kept (RFC 8305, section 4): where one
 * family leads nowhere, the second attempt is of the other. An address that is there twice counts
 * once.
 */
function interleaveFamilies(endpoints: readonly Endpoint[]): Endpoint[] {
  const unique = [...new Map(endpoints.map((each) => [formatAddress(each), each])).values()];
  const familyOf = (each: Endpoint | undefined) => each && 'family' in each && each.family;
  const first = unique.filter((each) => familyOf(each) === familyOf(unique[0]));
  const second = unique.filter((each) => familyOf(each) !== familyOf(unique[0]));
  const turns: Endpoint[] = [];
  for (let i = 0; i < first.length || i < second.length; i++) {
    turns.push(...first.slice(i, i + 1), ...second.slice(i, i + 1));
  }
  return turns;
}
