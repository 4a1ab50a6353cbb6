/**
 * `ws.send()`: sends a frame at once if no other task sends, which needs no lock and no generator.
 * Otherwise, and for what the network does not take, it continues as a generator.
 */
import type { Frames, Wait } from '../kernel/operation.ts';
import { PAUSE, Step } from '../kernel/operation.ts';
import { mustPause } from '../kernel/waits.ts';

/** The sending part of a connection. */
export interface FrameSender {
  /** Sends as much of the frame as is possible without waiting; 0: another task sends. */
  sendNow(frame: readonly Uint8Array[]): number;
  /** Sends the frame without its first `sent` bytes. */
  sendRest(frame: readonly Uint8Array[], sent: number): Frames<void>;
}

export class SendMessage extends Step<void> {
  private readonly sender: FrameSender;
  private readonly frame: readonly Uint8Array[];
  private stage: 'new' | 'paused' | 'rest' = 'new';
  private rest: Frames<void> | null = null;

  constructor(sender: FrameSender, frame: readonly Uint8Array[]) {
    super();
    this.sender = sender;
    this.frame = frame;
  }

  next(value?: unknown): IteratorResult<Wait, void> {
    if (this.rest !== null) return this.rest.next(value);
    if (this.stage === 'new') {
      this.stage = 'paused';
      if (mustPause()) return PAUSE;
    }
    this.stage = 'rest';
    const { frame, sender } = this;
    const sent = sender.sendNow(frame);
    if (frame.length === 1 && sent === frame[0]?.length) return { done: true, value: undefined };
    this.rest = sender.sendRest(frame, sent);
    return this.rest.next();
  }

  override throw(error: unknown): IteratorResult<Wait, void> {
    if (this.rest?.throw !== undefined) return this.rest.throw(error);
    throw error;
  }

  override return(): IteratorResult<Wait, void> {
    if (this.rest?.return !== undefined) return this.rest.return() as IteratorResult<Wait, void>;
    return super.return();
  }
}
