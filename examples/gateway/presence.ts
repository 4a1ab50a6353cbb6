// Presence: every session announces itself every few seconds. A member that no gateway has
// announced for TIMEOUT_MS is gone: nothing has to be cleaned up when a gateway crashes.
import type { Operation } from 'coronet';
import { isCancelled, now, sleep } from 'coronet';
import type { Topics } from 'coronet/topics';

const INTERVAL_MS = 2000;
const TIMEOUT_MS = 7000;

export class Presence {
  readonly #topics: Topics;
  /** By room and name: the time of the last announcement. */
  readonly #rooms = new Map<string, Map<string, number>>();
  /** The sessions of this gateway. */
  readonly #sessions = new Set<{ readonly room: string }>();

  constructor(topics: Topics) {
    this.#topics = topics;
  }

  /** Announces a member until it is cancelled. An announcement that fails is repeated anyway. */
  *announce(room: string, name: string): Operation<void> {
    const session = { room };
    this.#sessions.add(session);
    try {
      for (;;) {
        yield* this.#publish(room, name);
        yield* sleep(INTERVAL_MS);
      }
    } finally {
      this.#sessions.delete(session);
    }
  }

  *#publish(room: string, name: string): Operation<void> {
    try {
      yield* this.#topics.publish(`presence.${room}`, name);
    } catch (error) {
      if (isCancelled(error)) throw error;
    }
  }

  /** Receives the announcements of all gateways. */
  *follow(): Operation<void> {
    using announcements = yield* this.#topics.subscribe('presence.*', { capacity: 10_000 });
    for (;;) {
      const { done, value } = yield* announcements.next();
      if (done) return;
      if (value.gap !== undefined) continue;
      const room = value.subject.slice('presence.'.length);
      const members = this.#rooms.get(room) ?? new Map<string, number>();
      members.set(String(value.data), now());
      this.#rooms.set(room, members);
    }
  }

  /** Forgets the members that are gone. */
  *expire(): Operation<void> {
    for (;;) {
      yield* sleep(INTERVAL_MS);
      for (const [room, members] of this.#rooms) {
        for (const [name, seen] of members) if (seen < now() - TIMEOUT_MS) members.delete(name);
        if (members.size === 0) this.#rooms.delete(room);
      }
    }
  }

  members(room: string): readonly string[] {
    return [...(this.#rooms.get(room)?.keys() ?? [])].sort();
  }

  /** The rooms of the sessions of this gateway, also while the broker is unreachable. */
  rooms(): ReadonlySet<string> {
    return new Set([...this.#sessions].map(({ room }) => room));
  }
}
