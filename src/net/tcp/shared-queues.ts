/**
 * The listener of a worker with an accept queue of its own, which can also accept from the queues
 * of the other workers. The supervisor requests that for each queue whose worker is not ready: its
 * clients would otherwise wait until that worker is restarted.
 *
 *   own queue ────────────────────────────┐
 *   queue of a worker ──serve()──► served ─┼──tryAccept──► the program
 *                        returned ─────────┘     └──would block──► closed here
 *
 * Invariants:
 *  1. The sockets of all queues are inherited and stay open, so closing one here resets no
 *     connection: those in its queue are accepted by another process.
 *  2. A queue that was returned is closed here once it is empty. On a network that cannot leave
 *     connections in the system's queue, they would be reset otherwise.
 *  3. `canRecv` is true while it is true for any queue. This listener is the waiter of the others.
 *  4. The queues take turns, so none waits for another one to be empty.
 */
import { ClosedError } from '../../kernel/errors.ts';
import type { ReadinessWaiter } from '../../kernel/readiness.ts';
import { Readiness } from '../../kernel/readiness.ts';
import type { Endpoint, ListenerTransport, Network, Transport } from '../../world/network.ts';
import type { Platform } from '../../world/platform.ts';
import type { FromWorker, ToWorker } from '../../world/worker-messages.ts';
import { currentNetwork, currentWorld } from '../current-world.ts';

/** The descriptors of the queues of all other workers, by slot. `null` for the worker itself. */
export type QueuesBySlot = readonly (number | null)[];

/**
 * `own`, the open listener of this worker, and the queues of other workers when the supervisor
 * requests that. Without `descriptors` the workers share one queue.
 */
export function withQueuesOfOthers(
  own: ListenerTransport,
  descriptors: QueuesBySlot,
): ListenerTransport {
  const { platform } = currentWorld();
  const { parent } = platform;
  if (descriptors.length === 0 || parent === undefined) return own;
  const network = currentNetwork();
  const listener = new SharedQueuesListener(own, {
    open: (slot) => openQueue(descriptors[slot], platform, network),
    close: () => {
      forget();
      for (const fd of descriptors) if (fd !== null) platform.closeDescriptor?.(fd);
    },
  });
  const forget = parent.onMessage((message) => {
    const received = message as Partial<ToWorker> | null | undefined;
    if (received?.kind === 'serve-queues') listener.serve(received.slots ?? []);
  });
  const request: FromWorker = { kind: 'takes-queues' };
  parent.send(request);
  return listener;
}

/** The inherited descriptor stays open for the next time: the queue is opened at a second one. */
function openQueue(
  fd: number | null | undefined,
  platform: Platform,
  network: Network,
): ListenerTransport | undefined {
  const second = typeof fd !== 'number' ? undefined : platform.duplicateDescriptor?.(fd);
  if (second === undefined) return undefined;
  try {
    return network.adopt(second);
  } catch {
    // No descriptor or memory is left. Other workers serve the queue.
    platform.closeDescriptor?.(second);
    return undefined;
  }
}

/** The queues of other workers, by slot. */
export interface OtherQueues {
  /** Opens the queue of the worker in `slot`; `undefined` if it cannot be opened here. */
  open(slot: number): ListenerTransport | undefined;
  /** Called at the close of the listener. */
  close(): void;
}

export class SharedQueuesListener extends Readiness implements ListenerTransport, ReadinessWaiter {
  readonly #own: ListenerTransport;
  readonly #queues: OtherQueues;
  /** The queues of other workers that are served, by slot. */
  readonly #served = new Map<number, ListenerTransport>();
  /** Queues that were returned to their workers and may not be empty. */
  readonly #returned = new Set<ListenerTransport>();
  /** `overflowed` of queues that are closed here. */
  #closedOverflowed = 0;
  /** The index of the queue that is asked first. */
  #turn = 0;
  #closed = false;

  constructor(own: ListenerTransport, queues: OtherQueues) {
    super();
    this.#own = own;
    this.#queues = queues;
    this.canRecv = true;
  }

  get local(): Endpoint {
    return this.#own.local;
  }

  override describe(): string {
    return this.#own.describe();
  }

  /** From another queue one connection is taken at a time, so none is left here when that queue
   *  is returned. */
  set acceptBatch(count: number) {
    this.#own.acceptBatch = count;
  }

  tryListen(): boolean {
    return this.#own.tryListen();
  }

  /** Serves the queues of these workers, in addition to its own, and returns all others. */
  serve(slots: readonly number[]): void {
    if (this.#closed) return;
    for (const [slot, queue] of this.#served) {
      if (slots.includes(slot)) continue;
      this.#served.delete(slot);
      this.#returned.add(queue);
    }
    for (const slot of slots) {
      if (this.#served.has(slot)) continue;
      const queue = this.#queues.open(slot);
      if (queue === undefined) continue;
      queue.acceptBatch = 1;
      this.#served.set(slot, queue);
    }
    this.notifyRecv();
  }

  tryAccept(): Transport | undefined {
    if (this.#closed) throw this.#closedError();
    const queues = this.#all();
    for (let count = 0; count < queues.length; count++) {
      const at = (this.#turn + count) % queues.length;
      const connection = this.#tryAcceptFrom(queues[at] as ListenerTransport);
      if (connection === undefined) continue;
      this.#turn = at + 1;
      this.canRecv = true;
      return connection;
    }
    this.#wait();
    return undefined;
  }

  #all(): ListenerTransport[] {
    return [this.#own, ...this.#served.values(), ...this.#returned];
  }

  #tryAcceptFrom(queue: ListenerTransport): Transport | undefined {
    try {
      const connection = queue.tryAccept();
      if (connection === undefined && this.#returned.delete(queue)) this.#closeHere(queue);
      return connection;
    } catch (error) {
      // The connections of another queue wait for another worker if it cannot be opened here.
      const isOpen = (error as { syscall?: unknown }).syscall !== 'listen';
      if (queue === this.#own || isOpen) throw error;
      this.#forget(queue);
      return undefined;
    }
  }

  #forget(queue: ListenerTransport): void {
    this.#returned.delete(queue);
    for (const [slot, served] of this.#served) if (served === queue) this.#served.delete(slot);
    this.#closeHere(queue);
  }

  #closeHere(queue: ListenerTransport): void {
    this.#closedOverflowed += queue.overflowed ?? 0;
    if (queue.recvWaiter === this) queue.recvWaiter = null;
    queue.close();
  }

  #wait(): void {
    this.canRecv = false;
    for (const queue of this.#all()) {
      if (queue.canRecv) this.canRecv = true;
      else queue.recvWaiter = this;
    }
  }

  // ---- the waiter of the queues ----

  notify(): void {
    this.notifyRecv();
  }

  /** A queue was closed: the next attempt reports it. */
  reject(): void {
    this.notifyRecv();
  }

  shed(most: number): number {
    let left = most;
    for (const queue of this.#all()) left -= queue.shed?.(left) ?? 0;
    return most - left;
  }

  get queued(): number | undefined {
    let sum = 0;
    for (const { queued } of this.#all()) {
      if (queued === undefined) return undefined;
      sum += queued;
    }
    return sum;
  }

  get overflowed(): number | undefined {
    const { overflowed } = this.#own;
    if (overflowed === undefined) return undefined;
    let sum = overflowed + this.#closedOverflowed;
    for (const queue of [...this.#served.values(), ...this.#returned]) {
      sum += queue.overflowed ?? 0;
    }
    return sum;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const queue of this.#all()) this.#closeHere(queue);
    this.#served.clear();
    this.#returned.clear();
    this.#queues.close();
    this.rejectWaiters(this.#closedError());
  }

  #closedError(): ClosedError {
    return new ClosedError(
      'ERR_CLOSED',
      `The listener ${this.describe()} was closed by this program`,
    );
  }
}
