/** Gates, and a listener below them, that do what a test says, when it says so. */
import { ClosedError } from '../../../src/kernel/errors.ts';
import { Readiness } from '../../../src/kernel/readiness.ts';
import { HandshakingListener } from '../../../src/net/handshake/handshaking-listener.ts';
import type { HandshakeStage, PendingHandshake } from '../../../src/world/handshake.ts';
import type { Endpoint, ListenerTransport, Transport } from '../../../src/world/network.ts';
import { FakeClock } from '../kernel/fake-clock.ts';

export const clock: FakeClock = new FakeClock();
const { scheduler } = clock;

export const HERE: Endpoint = { host: '127.0.0.1', port: 1, family: 4 };

/** A listener that gives what it is told to give. */
export class FakeListener extends Readiness implements ListenerTransport {
  readonly local: Endpoint = HERE;
  readonly results: (Transport | Error)[] = [];
  closed = false;
  acceptBatch: number = Infinity;
  /** How many wait, if the network tells. */
  queued: number | undefined = undefined;
  /** True: the flag is cleared by a try that finds nothing, not by the one that takes the last. */
  clearsFlagLate = false;

  tryListen(): boolean {
    return true;
  }

  tryAccept(): Transport | undefined {
    if (this.closed) throw new ClosedError('ERR_CLOSED', 'closed');
    const answer = this.results.shift();
    if (answer instanceof Error) throw answer;
    this.canRecv = this.results.length > 0 || (this.clearsFlagLate && answer !== undefined);
    return answer;
  }

  close(): void {
    this.closed = true;
    this.rejectWaiters(new Error('closed'));
  }

  /** Something has come in. */
  arrive(...answers: (Transport | Error)[]): void {
    this.results.push(...answers);
    this.notifyRecv();
  }
}

/** A connection that knows how it was ended. */
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

/** A gate that does what a case says, when it says so. */
export class FakeHandshakeStage implements HandshakeStage {
  readonly maxPending: number;
  readonly handshakes: PendingHandshake[] = [];

  constructor(most = 2) {
    this.maxPending = most;
  }

  start(passage: PendingHandshake): () => void {
    this.handshakes.push(passage);
    return () => passage.raw.reset();
  }

  /** The passage that began as the `index`th. */
  at(index: number): PendingHandshake {
    return this.handshakes[index] as PendingHandshake;
  }
}

/** Lets everybody through at once. */
export const IMMEDIATE_STAGE: HandshakeStage = {
  maxPending: 2,
  start(passage) {
    passage.complete(passage.raw);
    return () => {};
  },
};

export interface Case {
  readonly raw: FakeListener;
  readonly stage: FakeHandshakeStage;
  readonly listener: HandshakingListener;
}

export function handshaking(most = 2): Case {
  const raw = new FakeListener();
  const gate = new FakeHandshakeStage(most);
  return { raw, stage: gate, listener: new HandshakingListener(raw, gate, scheduler) };
}
