/** The state of a program as a whole: its frame, its servers and its health answers share it. */
import type { Operation } from '../kernel/operation.ts';

/** A server, as far as a page of figures is concerned. */
export interface Figures {
  /** Its listener's own object: a server is known by it. */
  readonly address: object;
  stats(): object;
  /** Fetches what `stats()` then shows. Absent: it lies here. */
  refresh?(): Operation<void>;
}

export interface Program {
  /** True from the moment in which the program can serve until the first signal that ends it. */
  readonly ready: boolean;
  /** A signal has asked the program to come to its end. */
  readonly stopping: boolean;
  /** The program stops because a successor has its place, and accepts from the same queue. */
  readonly replaced: boolean;
  /** The servers that are at work, oldest first. */
  readonly servers: Iterable<Figures>;
  /** The program can serve. Heard once, and not after the first signal. */
  becomeReady(): void;
  /** A server listens. That is being ready, unless the program said that it will tell itself. */
  serverListens(server: Figures): void;
  /** The server at this address has come to its end. */
  serverEnds(address: object): void;
}
