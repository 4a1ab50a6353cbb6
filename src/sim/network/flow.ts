/**
 * One direction of a stream: what the sender's system does with bytes until the receiver reads
 * them.
 *
 *   Outgoing   what both kinds of sockets need
 *   Flow       TCP, on the way from one host to another
 *   (local.ts  Unix sockets, within a host)
 *
 * The flow of TCP knows both ends, so it needs no packets for what a real system finds out by
 * itself: acknowledgements are computed where the bytes arrive and take effect a latency later,
 * without an event, unless somebody waits for them; a lost packet is known to be lost when it is
 * sent, and only then is a timer armed. So a message that nothing happens to costs one event.
 *
 *             read  ─────────── delivered ─────────── transmitted ─────────── accepted
 *   receiver has read │  in its inbox     │   under way         │ waits for the window │
 *                     └── at most the window (recvRoom) ───────┘
 *          acked (what the sender knows of delivered) └── at most sendRoom ────────────┘
 *
 * Invariants:
 *  1. Bytes arrive in the order in which they were taken; the end (FIN) comes behind all of them.
 *     When a segment is lost, all behind it are sent again (go-back-N), a time-out later.
 *  2. Not more than `sendRoom` bytes are taken beyond what is acknowledged, and not more than
 *     `recvRoom` are sent beyond what was read, as far as the sender has heard of it.
 *  3. A sender that is stuck has either an acknowledgement under way to it, or a timer armed, or a
 *     receiver that has not read enough. It hears of the first room there is.
 */
import type { TimerTarget } from '../../kernel/timers.ts';
import { Timer } from '../../kernel/timers.ts';
import type { SimCore } from '../core.ts';
import { sample } from '../trace-hash.ts';
import type { FlowEnd, Outgoing, Ways } from './direction.ts';
import type { Path } from './path.ts';

/** The most bytes that travel together. Network cards take 64 KB and cut it up. */
const LONGEST_SEGMENT = 16384;
/** The first retransmission time-out of Linux (TCP_RTO_MIN), the longest (TCP_RTO_MAX), and when
 *  it gives up: 15 retransmissions (tcp_retries2 in tcp(7)). All in milliseconds. */
const FIRST_TIMEOUT = 200;
const LONGEST_TIMEOUT = 120_000;
const GIVES_UP_AFTER = 924_600;

const NOTHING: Buffer = Buffer.alloc(0);

/** Bytes on their way; `null`: the end of file. */
interface Segment {
  bytes: Buffer | null;
  arrivesAt: number;
}

export class Flow implements Outgoing, TimerTarget {
  readonly broken = false;
  readonly #core: SimCore;
  readonly #path: Path;
  /** The way of the acknowledgements. */
  readonly #back: Path;
  readonly #sender: FlowEnd;
  readonly #receiver: FlowEnd;
  /** What has not arrived. The first `#underWay` of them have left. */
  readonly #segments: Segment[] = [];
  #underWay = 0;
  /** When the last one that has left arrives. */
  #lastArrival = 0;
  // Totals of bytes; see the picture above.
  #accepted = 0;
  #transmitted = 0;
  #delivered = 0;
  #read = 0;
  #acked = 0;
  /** How far the sender may transmit, as far as it knows, and as far as the receiver has told. */
  #edge: number;
  #toldEdge: number;
  /** Acknowledgements under way to the sender, in order: each a time, a total and an edge. */
  #acks: number[] = [];
  /** A segment was lost: nothing is sent until the time-out. */
  #recovering = false;
  /** Bytes have arrived and their acknowledgement got lost. */
  #ackMissing = false;
  /** The receiver is no more, and the reset that says so got lost. */
  #knocking = false;
  /** Time-outs since the last acknowledgement, and when the trouble began; −1: there is none. */
  #timeouts = 0;
  #troubleSince = -1;
  #dropped = false;
  readonly #arrival = new Timer(this);
  /** Armed while the sender waits for an acknowledgement. */
  #ackTimer: Timer | null = null;
  #timeout: Timer | null = null;

  constructor(core: SimCore, ways: Ways, sender: FlowEnd, receiver: FlowEnd) {
    this.#core = core;
    this.#path = ways.path;
    this.#back = ways.back;
    this.#sender = sender;
    this.#receiver = receiver;
    this.#edge = receiver.recvRoom;
    this.#toldEdge = receiver.recvRoom;
  }

  get unacknowledged(): boolean {
    this.#hearAcks();
    return this.#acked < this.#accepted;
  }

  /** When what has left so far has arrived: a reset that leaves now comes behind it. */
  get lastArrival(): number {
    return this.#lastArrival;
  }

  // ------------------------------------------------------------------------------------- sending

  room(): number {
    this.#hearAcks();
    return this.#sender.sendRoom - (this.#accepted - this.#acked);
  }

  take(bytes: Buffer): void {
    this.#accepted += bytes.length;
    for (let at = 0; at < bytes.length; at += LONGEST_SEGMENT) {
      const whole = at === 0 && bytes.length <= LONGEST_SEGMENT;
      const part = whole ? bytes : bytes.subarray(at, at + LONGEST_SEGMENT);
      this.#segments.push({ bytes: part, arrivesAt: 0 });
    }
    this.#trace('send', sample(bytes), () => `${bytes.length} bytes`);
    this.#push();
  }

  finish(): void {
    if (this.#dropped) return;
    this.#segments.push({ bytes: null, arrivesAt: 0 });
    this.#push();
  }

  waitForRoom(): void {
    this.#expectAcks();
  }

  /** What has left arrives all the same. */
  drop(): void {
    this.#dropped = true;
    this.#segments.length = this.#underWay;
    this.#acks.length = 0;
    if (this.#ackTimer !== null) this.#core.forget(this.#ackTimer);
    if (this.#timeout !== null) this.#core.forget(this.#timeout);
  }

  /** Sends what the window allows. */
  #push(): void {
    while (this.#underWay < this.#segments.length && !this.#recovering) {
      const segment = this.#segments[this.#underWay] as Segment;
      if (!this.#fits(segment)) return this.#expectAcks();
      if (this.#path.loses()) return this.#recover();
      this.#depart(segment);
    }
  }

  /** Cuts the segment where the window ends. False: the window is used up. */
  #fits(segment: Segment): boolean {
    const { bytes } = segment;
    if (bytes === null) return true;
    const free = this.#edge - this.#transmitted;
    if (bytes.length <= free) return true;
    if (free <= 0) return false;
    segment.bytes = bytes.subarray(0, free);
    this.#segments.splice(this.#underWay + 1, 0, { bytes: bytes.subarray(free), arrivesAt: 0 });
    return true;
  }

  #depart(segment: Segment): void {
    const length = segment.bytes === null ? 0 : segment.bytes.length;
    if (segment.bytes === null) this.#trace('fin', 0, () => 'end of file');
    this.#transmitted += length;
    segment.arrivesAt = Math.max(this.#path.arrivalOf(length), this.#lastArrival);
    this.#lastArrival = segment.arrivesAt;
    if (this.#underWay++ === 0) this.#core.arm(this.#arrival, segment.arrivesAt);
  }

  // ----------------------------------------------------------------------------------- arriving

  expire(timer: Timer): void {
    if (timer === this.#arrival) this.#arrive();
    else if (timer === this.#ackTimer) this.#onAck();
    else this.#retry();
  }

  #arrive(): void {
    if (this.#path.held) return this.#path.whenReleased(() => this.#arrive());
    if (this.#path.cut) return this.#lose();
    const { now } = this.#core;
    let next: Segment | undefined = this.#segments[0];
    while (this.#underWay > 0 && next !== undefined && next.arrivesAt <= now) {
      this.#segments.shift();
      this.#underWay--;
      this.#deliver(next.bytes);
      next = this.#segments[0];
    }
    if (this.#underWay > 0) this.#core.arm(this.#arrival, (next as Segment).arrivesAt);
  }

  #deliver(bytes: Buffer | null): void {
    if (bytes === null) return this.#receiver.receivesEnd();
    this.#delivered += bytes.length;
    this.#trace('deliver', bytes.length, () => `${bytes.length} bytes`);
    if (this.#receiver.receives(bytes)) this.#acknowledge();
  }

  // ---------------------------------------------------------------------------- acknowledgements

  /** Tells the sender what has arrived and what there is room for. */
  #acknowledge(): void {
    if (this.#dropped) return;
    if (this.#back.held) return this.#back.whenReleased(() => this.#acknowledge());
    if (this.#back.cut) return this.#missAck();
    if (this.#troubleSince >= 0) this.#endTrouble();
    this.#toldEdge = Math.max(this.#toldEdge, this.#read + this.#receiver.recvRoom);
    const at = this.#core.now + this.#back.leastMs;
    const acks = this.#acks;
    const last = acks.length - 3;
    if (last >= 0 && (acks[last] as number) >= at) {
      acks[last + 1] = this.#delivered;
      acks[last + 2] = this.#toldEdge;
    } else {
      acks.push(at, this.#delivered, this.#toldEdge);
    }
    if (this.#sender.wantsRoom || this.#isStuck()) this.#armAcks();
  }

  wasRead(count: number): void {
    this.#read += count;
    if (this.#isStuck()) this.#updateWindow();
  }

  /** True: there is something to send, and the window is used up. */
  #isStuck(): boolean {
    return this.#underWay < this.#segments.length && !this.#recovering && !this.#dropped;
  }

  /** As RFC 9293 (3.8.6.2.2) says: not before the window has opened by half of it. */
  #updateWindow(): void {
    const window = this.#receiver.recvRoom;
    if (this.#read + window - this.#toldEdge >= window / 2) this.#acknowledge();
  }

  #expectAcks(): void {
    if (this.#isStuck()) this.#updateWindow();
    this.#armAcks();
  }

  #armAcks(): void {
    const at = this.#acks[0];
    if (at === undefined || this.#ackTimer?.armed === true) return;
    this.#ackTimer ??= new Timer(this);
    this.#core.arm(this.#ackTimer, at);
  }

  /** What has come until now takes effect. */
  #hearAcks(): void {
    const acks = this.#acks;
    const { now } = this.#core;
    let heard = 0;
    while (heard < acks.length && (acks[heard] as number) <= now) heard += 3;
    if (heard === 0) return;
    this.#acked = acks[heard - 2] as number;
    this.#edge = acks[heard - 1] as number;
    if (heard === acks.length) acks.length = 0;
    else acks.splice(0, heard);
  }

  /** Somebody has waited for this acknowledgement. */
  #onAck(): void {
    this.#hearAcks();
    if (this.#isStuck()) this.#push();
    if (!this.#sender.wantsRoom) return;
    // The mark of Linux (sk_stream_is_writeable): a third of the buffer is free.
    if (this.room() * 3 >= this.#sender.sendRoom) this.#sender.mayTake();
    else this.#armAcks();
  }

  // ---------------------------------------------------------------------------------------- loss

  /** The first segment under way is lost: so are those behind it, as long as it is missing. */
  #lose(): void {
    for (let i = 0; i < this.#underWay; i++) {
      this.#transmitted -= this.#segments[i]?.bytes?.length ?? 0;
    }
    this.#underWay = 0;
    this.#lastArrival = 0;
    this.#recover();
  }

  /** The next segment was lost. It and all behind it wait for the time-out. */
  #recover(): void {
    this.#trace('drop', 0, () => 'lost on the way');
    if (this.#dropped) {
      this.#segments.length = this.#underWay;
      return;
    }
    this.#recovering = true;
    this.#awaitTimeout();
  }

  /** An acknowledgement gets through. */
  #endTrouble(): void {
    this.#timeouts = 0;
    this.#troubleSince = -1;
    this.#ackMissing = false;
    if (!this.#recovering && this.#timeout !== null) this.#core.forget(this.#timeout);
  }

  #missAck(): void {
    this.#ackMissing = true;
    this.#awaitTimeout();
  }

  /** The time doubles from one time-out to the next (RFC 6298, section 5). */
  #awaitTimeout(): void {
    if (this.#timeout?.armed === true) return;
    const { now } = this.#core;
    if (this.#troubleSince < 0) this.#troubleSince = now;
    const wait = Math.min(FIRST_TIMEOUT * 2 ** this.#timeouts, LONGEST_TIMEOUT);
    this.#timeouts++;
    this.#timeout ??= new Timer(this);
    this.#core.arm(this.#timeout, Math.min(now + wait, this.#givesUpAt));
  }

  get #givesUpAt(): number {
    return this.#troubleSince + (this.#sender.userTimeoutMs || GIVES_UP_AFTER);
  }

  #retry(): void {
    if (this.#troubleSince >= 0 && this.#core.now >= this.#givesUpAt) {
      this.drop();
      return this.#sender.timesOut();
    }
    const count = this.#timeouts; // The text is made later, if at all.
    this.#trace('retransmit', count, () => `after time-out ${count}`);
    if (this.#knocking) return this.#knock();
    if (this.#ackMissing) this.#askAgain();
    if (!this.#recovering) return;
    this.#recovering = false;
    this.#push();
  }

  doubt(): void {
    this.#knocking = this.unacknowledged && !this.#dropped;
    if (this.#knocking) this.#awaitTimeout();
  }

  /** Sends again what nobody took, or probes a closed window: the answer is another reset. */
  #knock(): void {
    const knocks = (): void => void this.#receiver.receives(NOTHING);
    this.#path.carry(0, knocks, () => this.#awaitTimeout());
  }

  /** What has arrived arrives a second time, and is acknowledged again if that gets through. */
  #askAgain(): void {
    if (this.#path.cut || this.#back.cut) return this.#awaitTimeout();
    this.#ackMissing = false;
    this.#acknowledge();
  }

  /** What arrives is answered with a reset, or dropped: the receiver sees to that. */
  unwanted(): void {}

  #trace(kind: string, value: number, text: () => string): void {
    this.#core.trace(kind, this.#path.from, this.#path.to, value, text);
  }
}
