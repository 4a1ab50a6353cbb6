/**
 * One direction of a TCP connection: from the send buffer of one host to the receive buffer of the
 * other.
 *
 * The stream has access to both ends, so it does not simulate packets that only exchange state.
 * Acknowledgements are computed where bytes arrive and take effect a latency later, without an
 * event unless the sender waits for them. Loss is decided when a packet is sent, and only then is a
 * timer armed. A message that is not lost costs one event.
 *
 *        readTotal ────────── rcvNxt ─────────── sndNxt ─────────── written
 *   read by   │ in the receive   │ in flight        │ waits for the    │
 *   program   │ buffer           │                  │ window           │
 *             └────── at most the receive window ───┘
 *          sndUna (rcvNxt as far as acknowledged) └── at most the send buffer ──┘
 *
 * Invariants (terms of RFC 9293):
 *  1. Bytes arrive in the order in which they were written, then the end of file (FIN). When a
 *     segment is lost, it and all later segments are sent again after a time-out (go-back-N).
 *  2. At most `sendBufferBytes` are written beyond `sndUna`, and at most the advertised window is
 *     transmitted beyond what was read, as far as acknowledgements have reported it.
 *  3. A sender that cannot transmit has an acknowledgement in flight to it, or an armed timer, or a
 *     receiver that has not read enough. It is notified of the first space.
 */
import type { TimerTarget } from '../../../kernel/timers.ts';
import { Timer } from '../../../kernel/timers.ts';
import type { SimCore } from '../../core.ts';
import { sample } from '../../report/trace-hash.ts';
import type { NetworkLink } from '../link.ts';
import type { SimTransport } from '../transport.ts';
import type { LinkPair, SendStream } from './connection.ts';

/** The maximum size of a segment. Network cards take 64 KB and segment it themselves. */
const MAX_SEGMENT = 16384;
/** The minimum and maximum retransmission time-out of Linux (TCP_RTO_MIN, TCP_RTO_MAX), and the
 *  time after which it fails the connection: 15 retransmissions (tcp_retries2 in tcp(7)). */
const MIN_RTO_MS = 200;
const MAX_RTO_MS = 120_000;
const USER_TIMEOUT_MS = 924_600;

const NOTHING: Buffer = Buffer.alloc(0);

/** Bytes to transmit; `null`: the end of file. */
interface Segment {
  bytes: Buffer | null;
  arrivesAt: number;
  /** Its number in the record of a recorded run. */
  message: number;
}

export class TcpStream implements SendStream, TimerTarget {
  readonly broken = false;
  readonly #core: SimCore;
  readonly #outbound: NetworkLink;
  /** The link of the acknowledgements. */
  readonly #inbound: NetworkLink;
  readonly #sender: SimTransport;
  readonly #receiver: SimTransport;
  /** Segments that have not arrived. The first `#inFlight` of them are transmitted. */
  readonly #segments: Segment[] = [];
  #inFlight = 0;
  /** The arrival of the last transmitted segment. */
  #lastArrival = 0;
  // Totals of bytes since the start of the connection: see the diagram above.
  #written = 0;
  #sndNxt = 0;
  #rcvNxt = 0;
  #readTotal = 0;
  #sndUna = 0;
  /** SND.UNA + SND.WND: the sender transmits up to here. */
  #sndWindowEdge: number;
  /** RCV.NXT + RCV.WND as last advertised by the receiver. */
  #advertisedWindowEdge: number;
  /** Acknowledgements in flight, in order, as triples: time, `rcvNxt`, window edge. */
  #acks: number[] = [];
  /** A segment was lost: nothing is transmitted until the retransmission time-out. */
  #recovering = false;
  /** Bytes have arrived, and their acknowledgement was lost. */
  #ackLost = false;
  /** The receiver no longer exists, and its reset was lost. */
  #resetLost = false;
  /** Time-outs since the last acknowledgement, and the time of the first loss; −1: no loss. */
  #retransmissions = 0;
  #unacknowledgedSince = -1;
  #abandoned = false;
  readonly #arrival = new Timer(this);
  /** Armed while the sender waits for an acknowledgement. */
  #ackTimer: Timer | null = null;
  #retransmitTimer: Timer | null = null;

  constructor(core: SimCore, links: LinkPair, sender: SimTransport, receiver: SimTransport) {
    this.#core = core;
    this.#outbound = links.outbound;
    this.#inbound = links.inbound;
    this.#sender = sender;
    this.#receiver = receiver;
    this.#sndWindowEdge = receiver.recvWindow;
    this.#advertisedWindowEdge = receiver.recvWindow;
  }

  get unacknowledged(): boolean {
    this.#processAcks();
    return this.#sndUna < this.#written;
  }

  // ---- sending ----

  space(): number {
    this.#processAcks();
    return this.#sender.sendBufferBytes - (this.#written - this.#sndUna);
  }

  write(bytes: Buffer): void {
    this.#written += bytes.length;
    for (let at = 0; at < bytes.length; at += MAX_SEGMENT) {
      const whole = at === 0 && bytes.length <= MAX_SEGMENT;
      const part = whole ? bytes : bytes.subarray(at, at + MAX_SEGMENT);
      this.#segments.push({ bytes: part, arrivesAt: 0, message: 0 });
    }
    this.#trace('send', sample(bytes), () => `${bytes.length} bytes`);
    this.#transmitAllowed();
  }

  finish(): void {
    if (this.#abandoned) return;
    this.#segments.push({ bytes: null, arrivesAt: 0, message: 0 });
    this.#transmitAllowed();
  }

  /** Segments in flight arrive nevertheless. */
  abandon(): void {
    this.#abandoned = true;
    this.#segments.length = this.#inFlight;
    this.#acks.length = 0;
    if (this.#ackTimer !== null) this.#core.disarm(this.#ackTimer);
    if (this.#retransmitTimer !== null) this.#core.disarm(this.#retransmitTimer);
  }

  /** A reset arrives after the segments in flight. If it is lost, later bytes trigger another. */
  reset(): void {
    this.abandon();
    this.#trace('rst', 0, () => 'reset');
    this.#outbound.sendPacket(
      'RST',
      () => this.#receiver.receiveReset(),
      () => this.#receiver.resetLost(),
      this.#lastArrival,
    );
  }

  /** Transmits the segments that the window allows. */
  #transmitAllowed(): void {
    while (this.#inFlight < this.#segments.length && !this.#recovering) {
      const segment = this.#segments[this.#inFlight] as Segment;
      if (!this.#fits(segment)) return this.waitForSpace();
      this.#observeSegment(segment);
      if (this.#outbound.drawLoss()) {
        this.#core.messages?.lost(segment.message);
        return this.#recover();
      }
      this.#transmit(segment);
    }
  }

  #observeSegment(segment: Segment): void {
    const { messages } = this.#core;
    if (messages === null) return;
    const { from, to } = this.#outbound;
    const bytes = segment.bytes ?? NOTHING;
    segment.message = messages.sent(from, to, segment.bytes === null ? 'FIN' : '', bytes);
  }

  /** Splits the segment at the edge of the window. Returns false if the window is used up. */
  #fits(segment: Segment): boolean {
    const { bytes } = segment;
    if (bytes === null) return true;
    const free = this.#sndWindowEdge - this.#sndNxt;
    if (bytes.length <= free) return true;
    if (free <= 0) return false;
    segment.bytes = bytes.subarray(0, free);
    const rest = { bytes: bytes.subarray(free), arrivesAt: 0, message: 0 };
    this.#segments.splice(this.#inFlight + 1, 0, rest);
    return true;
  }

  #transmit(segment: Segment): void {
    const length = segment.bytes === null ? 0 : segment.bytes.length;
    if (segment.bytes === null) this.#trace('fin', 0, () => 'end of file');
    this.#sndNxt += length;
    segment.arrivesAt = Math.max(this.#outbound.arrivalTime(length), this.#lastArrival);
    this.#lastArrival = segment.arrivesAt;
    if (this.#inFlight++ === 0) this.#core.arm(this.#arrival, segment.arrivesAt);
  }

  // ---- arriving ----

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
      this.#core.messages?.arrived(next.message);
      this.#deliver(next.bytes);
      next = this.#segments[0];
    }
    if (this.#inFlight > 0) this.#core.arm(this.#arrival, (next as Segment).arrivesAt);
  }

  #deliver(bytes: Buffer | null): void {
    if (bytes === null) return this.#receiver.receiveFin();
    this.#rcvNxt += bytes.length;
    this.#trace('deliver', bytes.length, () => `${bytes.length} bytes`);
    if (this.#receiver.receiveBytes(bytes)) this.#acknowledge();
  }

  // ---- acknowledgements ----

  /** Acknowledges what has arrived and advertises the window. */
  #acknowledge(): void {
    if (this.#abandoned) return;
    if (this.#inbound.held) return this.#inbound.whenReleased(() => this.#acknowledge());
    if (this.#inbound.cut) return this.#loseAck();
    if (this.#unacknowledgedSince >= 0) this.#acknowledged();
    this.#advertisedWindowEdge = Math.max(
      this.#advertisedWindowEdge,
      this.#readTotal + this.#receiver.recvWindow,
    );
    const at = this.#core.now + this.#inbound.minLatencyMs;
    const acks = this.#acks;
    const last = acks.length - 3;
    if (last >= 0 && (acks[last] as number) >= at) {
      acks[last + 1] = this.#rcvNxt;
      acks[last + 2] = this.#advertisedWindowEdge;
    } else {
      acks.push(at, this.#rcvNxt, this.#advertisedWindowEdge);
    }
    if (this.#sender.waitsForSpace || this.#isWindowLimited()) this.#armAcks();
  }

  bytesRead(count: number): void {
    this.#readTotal += count;
    if (this.#isWindowLimited()) this.#updateWindow();
  }

  /** True: a segment waits for the window. */
  #isWindowLimited(): boolean {
    return this.#inFlight < this.#segments.length && !this.#recovering && !this.#abandoned;
  }

  /** Advertises the window once it has opened by half (RFC 9293, 3.8.6.2.2). */
  #updateWindow(): void {
    const window = this.#receiver.recvWindow;
    if (this.#readTotal + window - this.#advertisedWindowEdge >= window / 2) this.#acknowledge();
  }

  waitForSpace(): void {
    if (this.#isWindowLimited()) this.#updateWindow();
    this.#armAcks();
  }

  #armAcks(): void {
    const at = this.#acks[0];
    if (at === undefined || this.#ackTimer?.armed === true) return;
    this.#ackTimer ??= new Timer(this);
    this.#core.arm(this.#ackTimer, at);
  }

  /** Applies the acknowledgements that have arrived by now. */
  #processAcks(): void {
    const acks = this.#acks;
    const { now } = this.#core;
    let count = 0;
    while (count < acks.length && (acks[count] as number) <= now) count += 3;
    if (count === 0) return;
    this.#sndUna = acks[count - 2] as number;
    this.#sndWindowEdge = acks[count - 1] as number;
    if (count === acks.length) acks.length = 0;
    else acks.splice(0, count);
  }

  /** The sender has waited for this acknowledgement. */
  #onAck(): void {
    this.#processAcks();
    if (this.#isWindowLimited()) this.#transmitAllowed();
    if (!this.#sender.waitsForSpace) return;
    // The threshold of Linux (sk_stream_is_writeable): a third of the buffer is free.
    if (this.space() * 3 >= this.#sender.sendBufferBytes) this.#sender.spaceAvailable();
    else this.#armAcks();
  }

  // ---- loss ----

  /** Loses all segments in flight. */
  #loseInFlight(): void {
    for (let i = 0; i < this.#inFlight; i++) {
      const { bytes, message } = this.#segments[i] as Segment;
      this.#sndNxt -= bytes?.length ?? 0;
      this.#core.messages?.lost(message);
    }
    this.#inFlight = 0;
    this.#lastArrival = 0;
    this.#recover();
  }

  /** The next segment was lost. It and all later segments wait for the time-out. */
  #recover(): void {
    this.#trace('drop', 0, () => 'lost');
    if (this.#abandoned) {
      this.#segments.length = this.#inFlight;
      return;
    }
    this.#recovering = true;
    this.#armRetransmitTimer();
  }

  /** An acknowledgement was sent and not lost: ends the retransmissions. */
  #acknowledged(): void {
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

  /** The time-out doubles with every retransmission (RFC 6298, section 5). */
  #armRetransmitTimer(): void {
    if (this.#retransmitTimer?.armed === true) return;
    const { now } = this.#core;
    if (this.#unacknowledgedSince < 0) this.#unacknowledgedSince = now;
    const wait = Math.min(MIN_RTO_MS * 2 ** this.#retransmissions, MAX_RTO_MS);
    this.#retransmissions++;
    this.#retransmitTimer ??= new Timer(this);
    this.#core.arm(this.#retransmitTimer, Math.min(now + wait, this.#failsAt));
  }

  get #failsAt(): number {
    return (
      this.#unacknowledgedSince + (this.#sender.options.get('userTimeoutMs') || USER_TIMEOUT_MS)
    );
  }

  #onRetransmissionTimeout(): void {
    if (this.#unacknowledgedSince >= 0 && this.#core.now >= this.#failsAt) {
      this.abandon();
      return this.#sender.timeOut();
    }
    const count = this.#retransmissions; // `#trace` may format its text later.
    this.#trace('retransmit', count, () => `after time-out ${count}`);
    if (this.#resetLost) return this.#sendZeroWindowProbe();
    if (this.#ackLost) this.#requestAck();
    if (!this.#recovering) return;
    this.#recovering = false;
    this.#transmitAllowed();
  }

  armRetransmissionTimeout(): void {
    this.#resetLost = this.unacknowledged && !this.#abandoned;
    if (this.#resetLost) this.#armRetransmitTimer();
  }

  /** Stands for a retransmission or a zero-window probe. The answer is another reset. */
  #sendZeroWindowProbe(): void {
    const onArrival = (): void => void this.#receiver.receiveBytes(NOTHING);
    this.#outbound.sendPacket('probe', onArrival, () => this.#armRetransmitTimer());
  }

  /** Retransmits bytes that have arrived, so that they are acknowledged again. */
  #requestAck(): void {
    if (this.#outbound.cut || this.#inbound.cut) return this.#armRetransmitTimer();
    this.#ackLost = false;
    this.#acknowledge();
  }

  /** The receiver answers later bytes with a reset, or drops them. */
  receiverShutdown(): void {}

  #trace(kind: string, value: number, text: () => string): void {
    this.#core.trace(kind, this.#outbound.from, this.#outbound.to, value, text);
  }
}
