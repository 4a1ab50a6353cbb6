/**
 * Readiness: the state of a resource that tasks wait to read from or write to, with one waiter for
 * each direction. The two waiters are the `recv_wait` and `send_wait` dictionaries of the classic
 * teaching program, stored on the resource itself, so each access to a waiter is one field access.
 *
 * Invariants:
 *  1. A flag means that an attempt may succeed. An event from outside sets it. Only an attempt that
 *     would block clears it (see world/network.ts).
 *  2. A waiter is registered only while its task waits. Notification, close and cancellation remove
 *     it in the same step, so a wait is settled exactly once.
 *  3. A notification only permits an attempt. The attempt may block, and the task then waits again.
 */

/** A waiter: settled once, by `notify` or by `reject`. The kernel's tasks implement it. */
export interface ReadinessWaiter {
  /** The resource is ready: resumes the task in the next batch, or in the current one. */
  notify(inBatch?: boolean): void;
  /** The wait has failed: throws `error` into the task in the next batch. */
  reject(error: unknown): void;
}

/** Anything that `yield ['recv', x]` and `yield ['send', x]` accept. */
export interface Pollable {
  readonly readiness: Readiness;
}

/** The readiness of one resource in both directions. */
export class Readiness implements Pollable {
  /** True: a receive or an accept may succeed. */
  canRecv = false;
  /** True: a send may succeed, or a connection attempt has ended. */
  canSend = false;
  /** The one task that waits to read. */
  recvWaiter: ReadinessWaiter | null = null;
  /** The one task that waits to write. */
  sendWaiter: ReadinessWaiter | null = null;

  get readiness(): Readiness {
    return this;
  }

  /** The text of `task.waitingOn` after "recv" or "send": an address or a name. */
  describe(): string {
    return 'a resource';
  }

  /** Carries out a send of the waiter that is queued, so that it does not wait any more. */
  finishSend(): void {}

  /** The resource has become readable: sets the flag and wakes the waiter. */
  notifyRecv(): void {
    this.canRecv = true;
    const waiter = this.recvWaiter;
    if (waiter === null) return;
    this.recvWaiter = null;
    waiter.notify();
  }

  /** The resource has become writable: sets the flag and wakes the waiter. */
  notifySend(): void {
    this.canSend = true;
    const waiter = this.sendWaiter;
    if (waiter === null) return;
    this.sendWaiter = null;
    waiter.notify();
  }

  /**
   * Ends both waits with `error` when the resource is closed. The flags remain set, so a later wait
   * returns at once and the attempt after it reports the closed resource.
   */
  rejectWaiters(error: unknown): void {
    const { recvWaiter, sendWaiter } = this;
    this.canRecv = true;
    this.canSend = true;
    this.recvWaiter = null;
    this.sendWaiter = null;
    recvWaiter?.reject(error);
    sendWaiter?.reject(error);
  }
}
