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
import type { TimerTarget } from '../../../kernel/timers.ts';
import { Timer } from '../../../kernel/timers.ts';
import type { SimCore } from '../../core.ts';
import { sample } from '../../report/trace-hash.ts';
import type { NetworkLink } from '../link.ts';
import type { LinkPair, SendStream, StreamEndpoint } from './connection.ts';

/** The most bytes that travel together. Network cards take 64 KB and cut it up. */
const MAX_SEGMENT = 16384;
/** The first retransmission time-out of Linux (TCP_RTO_MIN), the longest (TCP_RTO_MAX), and when
 *  it gives up: 15 retransmissions (tcp_retries2 in tcp(7)). All in milliseconds. */
const MIN_RTO_MS = 200;
const MAX_RTO_MS = 120_000;
const USER_TIMEOUT_MS = 924_600;

const NOTHING: Buffer = Buffer.alloc(0);

/** Bytes on their way; `null`: the end of file. */
interface Segment {
  bytes: Buffer | null;
  arrivesAt: number;
}

export class TcpStream implements SendStream, TimerTarget {
  readonly broken = false;
  readonly #core: SimCore;
  readonly #outbound: NetworkLink;
  /** The way of the acknowledgements. */
  readonly #inbound: NetworkLink;
  readonly #sender: StreamEndpoint;
  readonly #receiver: StreamEndpoint;
  /** What has not arrived. The first `#underWay` of them have left. */
  readonly #segments: Segment[] = [];
  #inFlight = 0;
  /** When the last one that has left arrives. */
  #lastArrival = 0;
  // Totals of bytes; see the picture above.
  #accepted = 0;
  #transmitted = 0;
  #delivered = 0;
  #read = 0;
  #acked = 0;
  /** How far the sender may transmit, as far as it knows, and as far as the receiver has told. */
  #sendWindowEdge: number;
  #advertisedEdge: number;
  /** Acknowledgements under way to the sender, in order: each a time, a total and an edge. */
  #acks: number[] = [];
  /** A segment was lost: nothing is sent until the time-out. */
  #recovering = false;
  /** Bytes have arrived and their acknowledgement got lost. */
  #ackLost = false;
  /** The receiver is no more, and the reset that says so got lost. */
  #probing = false;
  /** Time-outs since the last acknowledgement, and when the trouble began; −1: there is none. */
  #retransmissions = 0;
  #unacknowledgedSince = -1;
  #abandoned = false;
  readonly #arrival = new Timer(this);
  /** Armed while the sender waits for an acknowledgement. */
  #ackTimer: Timer | null = null;
  #retransmitTimer: Timer | null = null;

  constructor(core: SimCore, links: LinkPair, sender: StreamEndpoint, receiver: StreamEndpoint) {
    this.#core = core;
    this.#outbound = links.outbound;
    this.#inbound = links.inbound;
    this.#sender = sender;
    this.#receiver = receiver;
    this.#sendWindowEdge = receiver.recvWindow;
    this.#advertisedEdge = receiver.recvWindow;
  }

  get unacknowledged(): boolean {
    this.#processAcks();
    return this.#acked < this.#accepted;
  }

  /** When what has left so far has arrived: a reset that leaves now comes behind it. */
  get lastArrival(): number {
    return this.#lastArrival;
  }

  // ------------------------------------------------------------------------------------- sending

  room(): number {
    this.#processAcks();
    return this.#sender.sendBufferBytes - (this.#accepted - this.#acked);
  }

  write(bytes: Buffer): void {
    this.#accepted += bytes.length;
    for (let at = 0; at < bytes.length; at += MAX_SEGMENT) {
      const whole = at === 0 && bytes.length <= MAX_SEGMENT;
      const part = whole ? bytes : bytes.subarray(at, at + MAX_SEGMENT);
      this.#segments.push({ bytes: part, arrivesAt: 0 });
    }
    this.#trace('send', sample(bytes), () => `${bytes.length} bytes`);
    this.#transmitAllowed();
  }

  finish(): void {
    if (this.#abandoned) return;
    this.#segments.push({ bytes: null, arrivesAt: 0 });
    this.#transmitAllowed();
  }

  waitForRoom(): void {
    this.#expectAcks();
  }

  /** What has left arrives all the same. */
  abandon(): void {
    this.#abandoned = true;
    this.#segments.length = this.#inFlight;
    this.#acks.length = 0;
    if (this.#ackTimer !== null) this.#core.disarm(this.#ackTimer);
    if (this.#retransmitTimer !== null) this.#core.disarm(this.#retransmitTimer);
  }

  /** Sends what the window allows. */
  #transmitAllowed(): void {
    while (this.#inFlight < this.#segments.length && !this.#recovering) {
      const segment = this.#segments[this.#inFlight] as Segment;
      if (!this.#fits(segment)) return this.#expectAcks();
      if (this.#outbound.losesPacket()) return this.#recover();
      this.#transmit(segment);
    }
  }

  /** Cuts the segment where the window ends. False: the window is used up. */
  #fits(segment: Segment): boolean {
    const { bytes } = segment;
    if (bytes === null) return true;
    const free = this.#sendWindowEdge - this.#transmitted;
    if (bytes.length <= free) return true;
    if (free <= 0) return false;
    segment.bytes = bytes.subarray(0, free);
    this.#segments.splice(this.#inFlight + 1, 0, { bytes: bytes.subarray(free), arrivesAt: 0 });
    return true;
  }

  #transmit(segment: Segment): void {
    const length = segment.bytes === null ? 0 : segment.bytes.length;
    if (segment.bytes === null) this.#trace('fin', 0, () => 'end of file');
    this.#transmitted += length;
    segment.arrivesAt = Math.max(this.#outbound.arrivalTime(length), this.#lastArrival);
    this.#lastArrival = segment.arrivesAt;
    if (this.#inFlight++ === 0) this.#core.arm(this.#arrival, segment.arrivesAt);
  }

  // ----------------------------------------------------------------------------------- arriving

  expire(timer: Timer): void {
    if (timer === this.#arrival) this.#arrive();
    else if (timer === this.#ackTimer) this.#onAck();
    else this.#onRetransmissionTimeout();
  }

  #arrive(): void {
    if (this.#outbound.held) return this.#outbound.whenReleased(() => this.#arrive());
    if (this.#outbound.cut) return this.#loseInFlight();
    const { now } = this.#core;
    let next: Segment | undefined = this.#segments[0];
    while (this.#inFlight > 0 && next !== undefined && next.arrivesAt <= now) {
      this.#segments.shift();
      this.#inFlight--;
      this.#deliver(next.bytes);
      next = this.#segments[0];
    }
    if (this.#inFlight > 0) this.#core.arm(this.#arrival, (next as Segment).arrivesAt);
  }

  #deliver(bytes: Buffer | null): void {
    if (bytes === null) return this.#receiver.receiveFin();
    this.#delivered += bytes.length;
    this.#trace('deliver', bytes.length, () => `${bytes.length} bytes`);
    if (this.#receiver.receiveBytes(bytes)) this.#acknowledge();
  }

  // ---------------------------------------------------------------------------- acknowledgements

  /** Tells the sender what has arrived and what there is room for. */
  #acknowledge(): void {
    if (this.#abandoned) return;
    if (this.#inbound.held) return this.#inbound.whenReleased(() => this.#acknowledge());
    if (this.#inbound.cut) return this.#loseAck();
    if (this.#unacknowledgedSince >= 0) this.#resetTimeout();
    this.#advertisedEdge = Math.max(this.#advertisedEdge, this.#read + this.#receiver.recvWindow);
    const at = this.#core.now + this.#inbound.minLatencyMs;
    const acks = this.#acks;
    const last = acks.length - 3;
    if (last >= 0 && (acks[last] as number) >= at) {
      acks[last + 1] = this.#delivered;
      acks[last + 2] = this.#advertisedEdge;
    } else {
      acks.push(at, this.#delivered, this.#advertisedEdge);
    }
    if (this.#sender.waitsForRoom || this.#isWindowLimited()) this.#armAcks();
  }

  bytesRead(count: number): void {
    this.#read += count;
    if (this.#isWindowLimited()) this.#updateWindow();
  }

  /** True: there is something to send, and the window is used up. */
  #isWindowLimited(): boolean {
    return this.#inFlight < this.#segments.length && !this.#recovering && !this.#abandoned;
  }

  /** As RFC 9293 (3.8.6.2.2) says: not before the window has opened by half of it. */
  #updateWindow(): void {
    const window = this.#receiver.recvWindow;
    if (this.#read + window - this.#advertisedEdge >= window / 2) this.#acknowledge();
  }

  #expectAcks(): void {
    if (this.#isWindowLimited()) this.#updateWindow();
    this.#armAcks();
  }

  #armAcks(): void {
    const at = this.#acks[0];
    if (at === undefined || this.#ackTimer?.armed === true) return;
    this.#ackTimer ??= new Timer(this);
    this.#core.arm(this.#ackTimer, at);
  }

  /** What has come until now takes effect. */
  #processAcks(): void {
    const acks = this.#acks;
    const { now } = this.#core;
    let heard = 0;
    while (heard < acks.length && (acks[heard] as number) <= now) heard += 3;
    if (heard === 0) return;
    this.#acked = acks[heard - 2] as number;
    this.#sendWindowEdge = acks[heard - 1] as number;
    if (heard === acks.length) acks.length = 0;
    else acks.splice(0, heard);
  }

  /** Somebody has waited for this acknowledgement. */
  #onAck(): void {
    this.#processAcks();
    if (this.#isWindowLimited()) this.#transmitAllowed();
    if (!this.#sender.waitsForRoom) return;
    // The mark of Linux (sk_stream_is_writeable): a third of the buffer is free.
    if (this.room() * 3 >= this.#sender.sendBufferBytes) this.#sender.roomAvailable();
    else this.#armAcks();
  }

  // ---------------------------------------------------------------------------------------- loss

  /** The first segment under way is lost: so are those behind it, as long as it is missing. */
  #loseInFlight(): void {
    for (let i = 0; i < this.#inFlight; i++) {
      this.#transmitted -= this.#segments[i]?.bytes?.length ?? 0;
    }
    this.#inFlight = 0;
    this.#lastArrival = 0;
    this.#recover();
  }

  /** The next segment was lost. It and all behind it wait for the time-out. */
  #recover(): void {
    this.#trace('drop', 0, () => 'lost on the way');
    if (this.#abandoned) {
      this.#segments.length = this.#inFlight;
      return;
    }
    this.#recovering = true;
    this.#armRetransmitTimer();
  }

  /** An acknowledgement gets through. */
  #resetTimeout(): void {
    this.#retransmissions = 0;
    this.#unacknowledgedSince = -1;
    this.#ackLost = false;
    if (!this.#recovering && this.#retransmitTimer !== null)
      this.#core.disarm(this.#retransmitTimer);
  }

  #loseAck(): void {
    this.#ackLost = true;
    this.#armRetransmitTimer();
  }

  /** The time doubles from one time-out to the next (RFC 6298, section 5). */
  #armRetransmitTimer(): void {
    if (this.#retransmitTimer?.armed === true) return;
    const { now } = this.#core;
    if (this.#unacknowledgedSince < 0) this.#unacknowledgedSince = now;
    const wait = Math.min(MIN_RTO_MS * 2 ** this.#retransmissions, MAX_RTO_MS);
    this.#retransmissions++;
    this.#retransmitTimer ??= new Timer(this);
    this.#core.arm(this.#retransmitTimer, Math.min(now + wait, this.#givesUpAt));
  }

  get #givesUpAt(): number {
    return this.#unacknowledgedSince + (this.#sender.userTimeoutMs || USER_TIMEOUT_MS);
  }

  #onRetransmissionTimeout(): void {
    if (this.#unacknowledgedSince >= 0 && this.#core.now >= this.#givesUpAt) {
      this.abandon();
      return this.#sender.timeOut();
    }
    const count = this.#retransmissions; // The text is made later, if at all.
    this.#trace('retransmit', count, () => `after time-out ${count}`);
    if (this.#probing) return this.#sendZeroWindowProbe();
    if (this.#ackLost) this.#requestAck();
    if (!this.#recovering) return;
    this.#recovering = false;
    this.#transmitAllowed();
  }

  armRetransmissionTimeout(): void {
    this.#probing = this.unacknowledged && !this.#abandoned;
    if (this.#probing) this.#armRetransmitTimer();
  }

  /** Sends again what nobody took, or probes a closed window: the answer is another reset. */
  #sendZeroWindowProbe(): void {
    const knocks = (): void => void this.#receiver.receiveBytes(NOTHING);
    this.#outbound.sendPacket(0, knocks, () => this.#armRetransmitTimer());
  }

  /** What has arrived arrives a second time, and is acknowledged again if that gets through. */
  #requestAck(): void {
    if (this.#outbound.cut || this.#inbound.cut) return this.#armRetransmitTimer();
    this.#ackLost = false;
    this.#acknowledge();
  }

  /** What arrives is answered with a reset, or dropped: the receiver sees to that. */
  receiverShutdown(): void {}

  #trace(kind: string, value: number, text: () => string): void {
    this.#core.trace(kind, this.#outbound.from, this.#outbound.to, value, text);
  }
}
