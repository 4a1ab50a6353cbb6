/** Gates, and a listener below them, that do what a test says, when it says so. */
import { ClosedError } from '../src/kernel/errors.ts';
import { Readiness } from '../src/kernel/readiness.ts';
import { GatedListener } from '../src/net/gated-listener.ts';
import type { Gate, Passage } from '../src/world/gate.ts';
import type { Endpoint, ListenerTransport, Transport } from '../src/world/network.ts';
import { FakeClock } from './kernel/fake-clock.ts';

export const clock: FakeClock = new FakeClock();
const { scheduler } = clock;

export const HERE: Endpoint = { host: '127.0.0.1', port: 1, family: 4 };

/** A listener that gives what it is told to give. */
export class FakeListener extends Readiness implements ListenerTransport {
  readonly local: Endpoint = HERE;
  readonly answers: (Transport | Error)[] = [];
  closed = false;
  ahead: number = Infinity;
  /** How many wait, if the network tells. */
  queued: number | undefined = undefined;
  /** True: the flag is cleared by a try that finds nothing, not by the one that takes the last. */
  tellsLate = false;

  tryListen(): boolean {
    return true;
  }

  tryAccept(): Transport | undefined {
    if (this.closed) throw new ClosedError('ERR_CLOSED', 'closed');
    const answer = this.answers.shift();
    if (answer instanceof Error) throw answer;
    this.canRecv = this.answers.length > 0 || (this.tellsLate && answer !== undefined);
    return answer;
  }

  close(): void {
    this.closed = true;
    this.refuseWaiters(new Error('closed'));
  }

  /** Something has come in. */
  bring(...answers: (Transport | Error)[]): void {
    this.answers.push(...answers);
    this.grantRecv();
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
export class FakeGate implements Gate {
  readonly most: number;
  readonly passages: Passage[] = [];

  constructor(most = 2) {
    this.most = most;
  }

  begin(passage: Passage): () => void {
    this.passages.push(passage);
    return () => passage.raw.reset();
  }

  /** The passage that began as the `index`th. */
  at(index: number): Passage {
    return this.passages[index] as Passage;
  }
}

/** Lets everybody through at once. */
export const OPEN: Gate = {
  most: 2,
  begin(passage) {
    passage.passed(passage.raw);
    return () => {};
  },
};

export interface Case {
  readonly raw: FakeListener;
  readonly gate: FakeGate;
  readonly listener: GatedListener;
}

export function gated(most = 2): Case {
  const raw = new FakeListener();
  const gate = new FakeGate(most);
  return { raw, gate, listener: new GatedListener(raw, gate, scheduler) };
}
