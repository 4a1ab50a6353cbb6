/**
 * The open connections of `health`. Their number is limited, and a client that sends nothing must
 * not keep a probe from its answer. So a new connection is always accepted at once, and the oldest
 * one that waits for its peer gives up its place.
 *
 * Invariants:
 *  1. A connection is in `#waiting` while the next move is its peer's: before the request is
 *     complete, and from the response to the close. Not while its response is made.
 *  2. Each accept at MAX_CONNECTIONS or more evicts one waiting connection, the oldest first, once
 *     it has waited for MIN_WAIT_MS: a probe whose request is still on its way is not cut, however
 *     fast others connect.
 *  3. At most MAX_OPEN connections are open. Further ones wait in the system's queue, for about
 *     MIN_WAIT_MS.
 */
import { now } from '../../kernel/current.ts';
import type { Wait } from '../../kernel/operation.ts';
import { sleep } from '../../kernel/waits.ts';
import type { Socket } from '../../net/tcp/socket.ts';
import { Notifier } from '../notifier.ts';

/** Enough for probes and scrapers. */
const MAX_CONNECTIONS = 16;
/** In addition to MAX_CONNECTIONS, those that are evicted within MIN_WAIT_MS. */
const MAX_OPEN = 256;
/** The request of a probe follows its handshake immediately. */
const MIN_WAIT_MS = 100;

interface WaitingConnection {
  /** Milliseconds on the scheduler's clock. */
  readonly since: number;
  evicted: boolean;
}

export class HealthConnections {
  #open = 0;
  /** The connections that wait for their peer, the oldest first; evicted ones come first. */
  readonly #waiting = new Map<Socket, WaitingConnection>();
  readonly #changes = new Notifier();

  /** Waits until another connection may be accepted. Cancel: no effect. */
  waitForCapacity(): Generator<Wait, void> {
    return this.#changes.waitUntil('the end of a health request', () => this.#open < MAX_OPEN);
  }

  add(socket: Socket): void {
    if (this.#open >= MAX_CONNECTIONS) this.#evictOldest();
    this.#open++;
    this.startWaiting(socket);
  }

  remove(socket: Socket): void {
    this.#open--;
    this.stopWaiting(socket);
    this.#changes.notify();
  }

  startWaiting(socket: Socket): void {
    this.#waiting.set(socket, { since: now(), evicted: false });
  }

  stopWaiting(socket: Socket): void {
    this.#waiting.delete(socket);
  }

  /** Closes the oldest waiting connection now, for its descriptor. False: there is none. */
  closeOldest(): boolean {
    const [oldest] = this.#waiting.keys();
    if (oldest === undefined) return false;
    this.#close(oldest);
    return true;
  }

  #evictOldest(): void {
    for (const connection of this.#waiting.values()) {
      if (connection.evicted) continue;
      connection.evicted = true;
      this.#changes.notify();
      return;
    }
  }

  /** Closes evicted connections. */
  *evictLoop(): Generator<Wait, never> {
    for (;;) {
      yield* this.#changes.waitUntil('a health connection to evict', () => {
        return this.#nextEvicted() !== undefined;
      });
      const [socket, { since }] = this.#nextEvicted() as [Socket, WaitingConnection];
      const leftMs = since + MIN_WAIT_MS - now();
      if (leftMs > 0) yield* sleep(leftMs);
      else this.#close(socket);
    }
  }

  #nextEvicted(): [Socket, WaitingConnection] | undefined {
    const [oldest] = this.#waiting;
    return oldest?.[1].evicted === true ? oldest : undefined;
  }

  /** The task of the connection ends, and removes it. */
  #close(socket: Socket): void {
    this.#waiting.delete(socket);
    socket.close();
  }
}
