/**
 * Readiness: what a task can wait to become readable or writable, with one waiting place for each
 * direction. These two places are the `recv_wait` and `send_wait` of the teaching program, kept on
 * the resource itself instead of in two dictionaries, so that filing and finding a waiter is one
 * field access.
 *
 * Invariants:
 *  1. A flag says "a try may succeed". It is set by a notice from outside and cleared only by a try
 *     that met the end of what is there (see world/network.ts).
 *  2. A waiter is in its place only while its task waits. Granting, closing and cancelling empty
 *     the place in the same step, so a wait is settled exactly once.
 *  3. A grant gives the right to try, nothing more: the woken task may find nothing and wait again.
 */

/** Who waits here: settled once, by `grant` or by `refuse`. Implemented by the kernel's tasks. */
export interface ReadinessWaiter {
  /** The resource is ready: resume the task in the next batch. */
  notify(): void;
  /** The wait has failed: throw `error` into the task in the next batch. */
  reject(error: unknown): void;
}

/** Anything that `yield ['recv', x]` and `yield ['send', x]` accept. */
export interface Pollable {
  readonly readiness: Readiness;
}

export class Readiness implements Pollable {
  /** True: a receive (or an accept) is worth a try. */
  canRecv = false;
  /** True: a send is worth a try, or a connection attempt has come to its end. */
  canSend = false;
  /** The one task that waits to read. */
  recvWaiter: ReadinessWaiter | null = null;
  /** The one task that waits to write. */
  sendWaiter: ReadinessWaiter | null = null;

  get readiness(): Readiness {
    return this;
  }

  /** What `task.waitingOn` shows behind "recv" or "send": an address, a name. */
  describe(): string {
    return 'a resource';
  }

  /** The notice "readable": sets the flag and wakes the waiter. */
  notifyRecv(): void {
    this.canRecv = true;
    const waiter = this.recvWaiter;
    if (waiter === null) return;
    this.recvWaiter = null;
    waiter.notify();
  }

  /** The notice "writable": sets the flag and wakes the waiter. */
  notifySend(): void {
    this.canSend = true;
    const waiter = this.sendWaiter;
    if (waiter === null) return;
    this.sendWaiter = null;
    waiter.notify();
  }

  /**
   * Both waits end with `error`: the resource was closed under them. The flags stay set from now
   * on, so that a later wait returns at once and its try can tell that the resource is closed.
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
