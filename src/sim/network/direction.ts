/** One direction of a stream, as the transports at its two ends use it and hear of it. */
import type { Path } from './path.ts';

/** There and back. */
export interface Ways {
  readonly path: Path;
  readonly back: Path;
}

/** What a flow tells the two transports that it connects. */
export interface FlowEnd {
  /** Bytes have arrived. False: nobody is there to take them. */
  receives(bytes: Buffer): boolean;
  /** The end of file has arrived. */
  receivesEnd(): void;
  /** There is room to send again. */
  mayTake(): void;
  /** The peer does not answer. */
  timesOut(): void;
  /** True while the program waits for room. */
  readonly wantsRoom: boolean;
  /** Bytes that its system takes before they are acknowledged. */
  readonly sendRoom: number;
  /** Bytes that its system receives before they are read. */
  readonly recvRoom: number;
  /** Milliseconds without an acknowledgement after which it gives up; 0: the system's own. */
  readonly userTimeoutMs: number;
}

/** The sending side of a stream, as a transport uses it. */
export interface Outgoing {
  /** How many bytes it takes now. */
  room(): number;
  /** Takes bytes; the memory is its own from now on. Not more than there is room for. */
  take(bytes: Buffer): void;
  /** The program is told "would block": it wants to hear when there is room. */
  waitForRoom(): void;
  /** End of file, behind everything that was taken. */
  finish(): void;
  /** Drops what has not left. Nothing more is sent or told. */
  drop(): void;
  /** The receiver has read `count` bytes. */
  wasRead(count: number): void;
  /** The receiver will not read any more. */
  unwanted(): void;
  /** The receiver is no more, and could not tell: while bytes wait, the sender finds out. */
  doubt(): void;
  /** True: bytes were taken and their acknowledgement has not come. */
  readonly unacknowledged: boolean;
  /** True: nobody will ever receive, so a send fails at once (EPIPE). */
  readonly broken: boolean;
}
