/** Handshake stages, and a listener below them, whose events a test triggers. */
import { ClosedError } from '../../../src/kernel/errors.ts';
import { Readiness } from '../../../src/kernel/readiness.ts';
import { HandshakingListener } from '../../../src/net/handshake/handshaking-listener.ts';
import type { HandshakeStage, PendingHandshake } from '../../../src/world/handshake.ts';
import type { Endpoint, ListenerTransport, Transport } from '../../../src/world/network.ts';
import { FakeClock } from '../kernel/fake-clock.ts';

export const clock: FakeClock = new FakeClock();
const { scheduler } = clock;

export const HERE: Endpoint = { host: '127.0.0.1', port: 1, family: 4 };

/** A listener that accepts the connections that the test passes to `arrive`. */
export class FakeListener extends Readiness implements ListenerTransport {
  readonly local: Endpoint = HERE;
  readonly results: (Transport | Error)[] = [];
  closed = false;
  acceptBatch: number = Infinity;
  /** The length of the accept queue, if the network reports it. */
  queued: number | undefined = undefined;
  /** True: only a failed attempt clears `canRecv`, not the one that takes the last result. */
  clearsFlagLate = false;

  tryListen(): boolean {
    return true;
  }

  tryAccept(): Transport | undefined {
    if (this.closed) throw new ClosedError('ERR_CLOSED', 'closed');
    const result = this.results.shift();
    if (result instanceof Error) throw result;
    this.canRecv = this.results.length > 0 || (this.clearsFlagLate && result !== undefined);
    return result;
  }

  close(): void {
    this.closed = true;
    this.rejectWaiters(new Error('closed'));
  }

  /** Queues connections or errors for `tryAccept`. */
  arrive(...results: (Transport | Error)[]): void {
    this.results.push(...results);
    this.notifyRecv();
  }
}

/** A connection that records whether it was closed or reset. */
export class FakeTransport extends Readiness {
  readonly local: Endpoint = HERE;
  readonly remote: Endpoint = HERE;
  ended: 'close' | 'reset' | undefined = undefined;

  close(): void {
    this.ended ??= 'close';
  }

  reset(): void {
    this.ended ??= 'reset';
  }
}

export type Connection = FakeTransport & Transport;

export function connection(): Connection {
  return new FakeTransport() as unknown as Connection;
}

/** A handshake stage whose handshakes the test completes. */
export class FakeHandshakeStage implements HandshakeStage {
  readonly maxPending: number;
  readonly handshakes: PendingHandshake[] = [];

  constructor(maxPending = 2) {
    this.maxPending = maxPending;
  }

  start(handshake: PendingHandshake): () => void {
    this.handshakes.push(handshake);
    return () => handshake.raw.reset();
  }

  /** The handshake that was started as number `index`. */
  at(index: number): PendingHandshake {
    return this.handshakes[index] as PendingHandshake;
  }
}

/** Completes every handshake at once. */
export const IMMEDIATE_STAGE: HandshakeStage = {
  maxPending: 2,
  start(handshake) {
    handshake.complete(handshake.raw);
    return () => {};
  },
};

export interface Case {
  readonly raw: FakeListener;
  readonly stage: FakeHandshakeStage;
  readonly listener: HandshakingListener;
}

export function handshaking(maxPending = 2): Case {
  const raw = new FakeListener();
  const stage = new FakeHandshakeStage(maxPending);
  return { raw, stage, listener: new HandshakingListener(raw, stage, scheduler) };
}
