/**
 * A connection on the simulated network: one end of two flows.
 *
 *   connecting ──► open ──► ended (recv only: end of file, or shutdown('recv'))
 *       │           │ └───► shut (send only: shutdown('send'))
 *       │           └─────► failed (sticky: every try throws the same error)
 *       └─► failed          closed (from every state; every try throws ERR_CLOSED)
 *
 * As on Linux, an error that comes from outside (a reset, a time-out) stands behind the bytes that
 * came before it, is told to whichever of recv and send asks first, and to recv in any case; a send
 * that asks later gets EPIPE. Behind an end of file there is no error for recv.
 *
 * Invariants:
 *  1. A gate that is shut (except connecting) has its flag set: a task that waits is resumed and
 *     its try tells.
 *  2. Once closed, nothing is granted any more. What arrives then is answered with a reset.
 */
import type { Transport } from '../../world/network.ts';
import { SimEnd } from './end.ts';
import type { ErrorCode } from './errors.ts';
import { systemError } from './errors.ts';
import { strikes } from './faults.ts';
import { Inbox, joined } from './inbox.ts';
import type { Wire, WireEnd } from './wire.ts';

const END_OF_FILE: Buffer = Buffer.alloc(0);

/** How many pieces one send looks at, as on every network. */
const MOST_PIECES = 64;

type Gate = 'connecting' | 'open' | 'ended' | 'shut' | 'failed' | 'closed';

export class SimTransport extends SimEnd implements Transport, WireEnd {
  readonly #inbox = new Inbox();
  #recvGate: Gate = 'connecting';
  #sendGate: Gate = 'connecting';
  #recvError: unknown = undefined;
  #sendError: unknown = undefined;
  /** The end of file has arrived, behind what is in the inbox. */
  #atEnd = false;
  /** What has ended the connection from outside, and whether somebody was told. */
  #fate: ErrorCode | null = null;
  #fateTold = false;
  /** shutdown('recv') was called: what arrives is dropped. */
  #discarding = false;
  /** Gives up what is under way before the connection stands. */
  onGiveUp: (() => void) | null = null;
  /** Something has come from the peer. */
  onContact: (() => void) | null = null;

  protected get isClosed(): boolean {
    return this.#sendGate === 'closed';
  }

  // ---------------------------------------------------------------------------------- connecting

  /** The connection stands. */
  established(wire: Wire): void {
    this.wire = wire;
    if (this.#recvGate === 'connecting') this.#recvGate = 'open';
    if (this.#sendGate === 'connecting') this.#sendGate = 'open';
    if (this.#discarding) wire.incoming.unwanted();
    this.heardAt = this.owner.core.now;
    if (this.options.get('keepAlive') !== 0) this.probe();
    this.mayFool('recv');
    this.grantSend();
  }

  /** The attempt has failed: both directions fail, and with the same error. */
  failConnect(code: ErrorCode): void {
    if (this.#sendGate === 'closed') return;
    const error = systemError(code, 'connect', this.remote);
    this.#recvGate = 'failed';
    this.#sendGate = 'failed';
    this.#recvError = error;
    this.#sendError = error;
    this.grantRecv();
    this.grantSend();
  }

  tryConnect(): boolean {
    if (this.#sendGate === 'closed') throw this.closedError();
    if (this.wire !== null) return true;
    if (this.#sendGate === 'failed') throw this.#sendError;
    this.canSend = false;
    this.mayFool('send');
    return false;
  }

  // ------------------------------------------------------------------------------------- receive

  tryRecv(max: number): Buffer | undefined {
    if (this.#recvGate !== 'open' && !this.#passRecvGate()) {
      return this.#recvGate === 'ended' ? END_OF_FILE : undefined;
    }
    const there = this.#inbox.length;
    if (there === 0) return this.#foundNothing() ? END_OF_FILE : undefined;
    const most = Math.min(max, there);
    return this.#took(this.#inbox.take(this.cutShort('shortReads', most)));
  }

  tryRecvInto(into: Uint8Array): number {
    if (this.#recvGate !== 'open' && !this.#passRecvGate()) {
      return this.#recvGate === 'ended' ? 0 : -1;
    }
    const there = this.#inbox.length;
    if (there === 0) return this.#foundNothing() ? 0 : -1;
    const most = this.cutShort('shortReads', Math.min(into.length, there));
    const count = this.#inbox.takeInto(most === into.length ? into : into.subarray(0, most));
    this.#tookBytes(count);
    return count;
  }

  #took(bytes: Buffer): Buffer {
    this.#tookBytes(bytes.length);
    return bytes;
  }

  #tookBytes(count: number): void {
    this.endFooling();
    if (this.#inbox.length === 0 && !this.#atEnd && this.#fate === null) this.#hasNothing();
    this.wire?.incoming.wasRead(count);
  }

  /** True: the end of file. False: would block. */
  #foundNothing(): boolean {
    if (this.#atEnd) {
      this.#recvGate = 'ended';
      return true;
    }
    if (this.#fate !== null) {
      this.#recvGate = 'failed';
      this.#recvError = systemError(this.#fate, 'read');
      this.#fateTold = true;
      throw this.#recvError;
    }
    this.#hasNothing();
    return false;
  }

  #hasNothing(): void {
    this.canRecv = false;
    this.mayFool('recv');
  }

  /** True: the gate is open after all. False: ended, or still connecting. */
  #passRecvGate(): boolean {
    if (this.#recvGate === 'connecting') return this.tryConnect();
    if (this.#recvGate === 'failed') throw this.#recvError;
    if (this.#recvGate === 'closed') throw this.closedError();
    return false;
  }

  // ---------------------------------------------------------------------------------------- send

  trySend(data: Uint8Array): number {
    if (this.#sendGate !== 'open' && !this.#passSendGate()) return 0;
    const room = this.#roomFor(data.length);
    if (room === 0) return this.#sentLess(0);
    const bytes = Buffer.from(room === data.length ? data : data.subarray(0, room));
    return this.#send(bytes, data.length);
  }

  trySendv(chunks: readonly Uint8Array[]): number {
    if (this.#sendGate !== 'open' && !this.#passSendGate()) return 0;
    const looked = chunks.length > MOST_PIECES ? chunks.slice(0, MOST_PIECES) : chunks;
    let offered = 0;
    for (const chunk of looked) offered += chunk.length;
    const room = this.#roomFor(offered);
    if (room === 0) return this.#sentLess(0);
    return this.#send(joined(looked, room), offered);
  }

  /** How many of `offered` bytes can be sent now. Throws if the connection has ended. */
  #roomFor(offered: number): number {
    const { outgoing, local } = this.wire as Wire;
    if (this.#fate !== null || outgoing.broken) throw this.#failSend();
    const { core, host } = this.owner;
    if (!local && strikes(core, 'resets', host)) this.#resetFromOutside();
    const room = Math.max(0, outgoing.room());
    return room === 0 ? 0 : this.cutShort('shortWrites', Math.min(offered, room));
  }

  #send(bytes: Buffer, offered: number): number {
    (this.wire as Wire).outgoing.take(bytes);
    this.endFooling();
    if (bytes.length === offered) return offered;
    if (this.#roomLeft() === 0) this.#sentLess(bytes.length);
    return bytes.length;
  }

  #roomLeft(): number {
    return Math.max(0, (this.wire as Wire).outgoing.room());
  }

  /** The buffer of the system is full. */
  #sentLess(count: number): number {
    this.canSend = false;
    (this.wire as Wire).outgoing.waitForRoom();
    this.mayFool('send');
    return count;
  }

  #failSend(): unknown {
    const code = this.#fate === null || this.#fateTold || this.#atEnd ? 'EPIPE' : this.#fate;
    this.#fateTold = true;
    this.#sendGate = 'failed';
    this.#sendError = systemError(code, 'write');
    this.canSend = true;
    return this.#sendError;
  }

  /** True: the gate is open after all. False: still connecting. */
  #passSendGate(): boolean {
    if (this.#sendGate === 'connecting') return this.tryConnect();
    if (this.#sendGate === 'shut') throw this.#fate === null ? brokenPipe() : this.#failSend();
    throw this.#sendGate === 'failed' ? this.#sendError : this.closedError();
  }

  /** Somebody between the two has broken the connection: both ends hear of it. */
  #resetFromOutside(): never {
    (this.wire as Wire).reset();
    this.receivesReset();
    throw this.#failSend();
  }

  // ---------------------------------------------------------------- what the flows tell (FlowEnd)

  get wantsRoom(): boolean {
    return !this.canSend && this.#sendGate === 'open';
  }

  receives(bytes: Buffer): boolean {
    this.onContact?.();
    this.heardAt = this.owner.core.now;
    if (this.#recvGate === 'closed' || this.#fate !== null) {
      // RFC 9293, 3.10.7: to bytes for a connection that is no more the answer is a reset.
      this.wire?.reset();
      return false;
    }
    if (this.#discarding) {
      this.wire?.incoming.wasRead(bytes.length);
      return true;
    }
    this.#inbox.push(bytes);
    this.grantRecv();
    return true;
  }

  receivesEnd(): void {
    this.onContact?.();
    if (this.#recvGate === 'closed' || this.#fate !== null) return;
    this.#atEnd = true;
    this.grantRecv();
  }

  mayTake(): void {
    if (this.#sendGate !== 'closed') this.grantSend();
  }

  timesOut(): void {
    this.#endBy('ETIMEDOUT');
  }

  /** The other end, or somebody between, has reset the connection. */
  receivesReset(): void {
    this.#endBy('ECONNRESET');
  }

  #endBy(code: ErrorCode): void {
    this.wire?.outgoing.drop();
    if (this.#sendGate === 'closed' || this.#fate !== null) return;
    this.#fate = code;
    this.gone = true;
    this.endProbing();
    this.grantRecv();
    this.grantSend();
  }

  // -------------------------------------------------------------------------------------- ending

  shutdown(how: 'send' | 'recv' | 'both'): void {
    if (this.#sendGate === 'closed') return;
    if (how !== 'recv') this.#shutdownSend();
    if (how !== 'send') this.#shutdownRecv();
  }

  #shutdownSend(): void {
    if (this.#sendGate !== 'open') return;
    if (this.#fate === null) this.wire?.outgoing.finish();
    this.#sendGate = 'shut';
    this.grantSend();
  }

  #shutdownRecv(): void {
    this.#discarding = true;
    const unread = this.#inbox.length;
    this.#inbox.clear();
    if (this.#recvGate !== 'failed') this.#recvGate = 'ended';
    this.wire?.incoming.wasRead(unread);
    this.wire?.incoming.unwanted();
    this.grantRecv();
  }

  close(): void {
    this.#leave(false);
  }

  /** A Unix socket has no resets, but for input that is unread. */
  reset(): void {
    this.#leave(this.wire?.local !== true);
  }

  /** Nobody has accepted it, or ever will: the peer is told so, on a Unix socket, too. */
  disown(): void {
    this.#leave(true);
  }

  /** With unread input the system resets, as Linux does; what was not sent is lost then. */
  #leave(hard: boolean): void {
    if (this.#sendGate === 'closed') return;
    const wire = this.#fate === null ? this.wire : null;
    const resets = hard || this.#inbox.length > 0;
    const finishes = this.#sendGate === 'open';
    this.#end();
    this.gone ||= resets;
    if (resets) wire?.reset();
    else if (finishes) wire?.outgoing.finish();
    wire?.incoming.unwanted();
  }

  #end(): void {
    this.vanish();
    this.onGiveUp?.();
    this.owner.forget(this);
    this.canRecv = true;
    this.canSend = true;
    if (this.recvWaiter === null && this.sendWaiter === null) return;
    this.refuseWaiters(this.closedError());
  }

  /** Closed, and nobody is told: the host has crashed, or its system has given up on it. */
  vanish(): void {
    this.#recvGate = 'closed';
    this.#sendGate = 'closed';
    this.#inbox.clear();
    this.endProbing();
  }

  /** The host has crashed: nobody waits any more, and the peer is told by the system. */
  crash(): void {
    this.recvWaiter = null;
    this.sendWaiter = null;
    this.vanish();
    this.gone = true;
    this.onGiveUp?.();
    if (this.#fate === null) this.wire?.reset();
  }
}

function brokenPipe(): unknown {
  return systemError('EPIPE', 'write');
}
