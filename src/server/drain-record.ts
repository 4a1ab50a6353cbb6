/** What is noted while a server drains, for the report at its end. */
import type { ConnectionRecord } from './connection-record.ts';
import type { CutConnection, DrainReport } from './reports.ts';

export class DrainRecord {
  #stoppedAt = Infinity;
  #cut: readonly CutConnection[] = [];
  /** Made at the end. */
  report: DrainReport | undefined = undefined;

  begin(now: number): void {
    this.#stoppedAt = Math.min(this.#stoppedAt, now);
  }

  /** All that is open is cut now. Called before a handler has noticed: after that, what it waited
   *  for is gone. */
  cutOff(open: Iterable<ConnectionRecord>, now: number): void {
    this.begin(now);
    this.#cut = Object.freeze(Array.from(open, (connection) => connection.left(now)));
  }

  end(drained: number, now: number): void {
    const ms = Math.max(0, now - this.#stoppedAt);
    this.report = Object.freeze({ cut: this.#cut, drained, ms });
  }
}
