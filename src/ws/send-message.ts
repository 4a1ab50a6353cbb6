/**
 * `ws.send()`: sends a frame at once if no other task sends, which needs no lock and no generator.
 * Otherwise, and for what the network does not take, it continues as a generator.
 */
import type { Frames, Wait } from '../kernel/operation.ts';
import { PAUSE, Step } from '../kernel/operation.ts';
import { mustPause, sendWait } from '../kernel/waits.ts';
import type { Socket } from '../net/tcp/socket.ts';

/** The sending part of a connection. */
export interface FrameSender {
  /** Sends as much of the frame as is possible without waiting. 0: another task sends. QUEUED: the
   *  send is queued, and the task waits for 'send' on the transport. */
  sendNow(frame: readonly Uint8Array[]): number;
  /** An interrupted send ends after the first `sent` bytes. */
  cutAfter(sent: number): void;
  /** The result of a send that was queued. Unless a part of the frame was sent, others may send. */
  takeQueued(frame: readonly Uint8Array[]): number;
  readonly socket: Socket;
  /** Sends the frame without its first `sent` bytes. */
  sendRest(frame: readonly Uint8Array[], sent: number): Frames<void>;
}

export const QUEUED = -1;

export class SendMessage extends Step<void> {
  private readonly sender: FrameSender;
  private readonly frame: readonly Uint8Array[];
  private stage: 'new' | 'paused' | 'queued' | 'rest' = 'new';
  private rest: Frames<void> | null = null;

  constructor(sender: FrameSender, frame: readonly Uint8Array[]) {
    super();
    this.sender = sender;
    this.frame = frame;
  }

  next(value?: unknown): IteratorResult<Wait, void> {
    if (this.rest !== null) return this.rest.next(value);
    if (this.stage === 'queued') return this.continueAfter(this.takeQueued());
    if (this.stage === 'new') {
      this.stage = 'paused';
      if (mustPause()) return PAUSE;
    }
    const { frame, sender } = this;
    const sent = sender.sendNow(frame);
    if (sent !== QUEUED) return this.continueAfter(sent);
    this.stage = 'queued';
    return sendWait(sender.socket.transport);
  }

  private takeQueued(): number {
    this.stage = 'rest';
    return this.sender.takeQueued(this.frame);
  }

  private continueAfter(sent: number): IteratorResult<Wait, void> {
    const { frame, sender } = this;
    this.stage = 'rest';
    if (this.isComplete(sent)) return { done: true, value: undefined };
    this.rest = sender.sendRest(frame, sent);
    return this.rest.next();
  }

  private isComplete(sent: number): boolean {
    return this.frame.length === 1 && sent === this.frame[0]?.length;
  }

  /** A queued send has happened, so its result has precedence over a cancellation. */
  override throw(error: unknown): IteratorResult<Wait, void> {
    if (this.rest?.throw !== undefined) return this.rest.throw(error);
    if (this.stage === 'queued' && this.endQueued()) return { done: true, value: undefined };
    throw error;
  }

  /** Returns false if only a part was sent. */
  private endQueued(): boolean {
    const sent = this.takeQueued();
    if (this.isComplete(sent)) return true;
    this.sender.cutAfter(sent);
    return false;
  }

  override return(): IteratorResult<Wait, void> {
    if (this.rest?.return !== undefined) return this.rest.return() as IteratorResult<Wait, void>;
    if (this.stage === 'queued') this.endQueued();
    return super.return();
  }
}
