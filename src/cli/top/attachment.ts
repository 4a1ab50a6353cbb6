/** The connection to the socket of a process. */
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { InspectSnapshot } from '../../inspect/snapshot.ts';
import type { SnapshotRequest, StepAnnouncement } from '../../node/inspect/endpoint.ts';
import { CommandError } from '../errors.ts';
import type { Target } from './target.ts';

/** The pause between attempts to connect while the process starts to listen. */
const RETRY_MS = 20;
/** The longest answer. A tree of 10,000 nodes has about 5 MB. */
const MAX_ANSWER_CHARS = 64 << 20;

/** The task that holds the loop of a process without an answer, as far as it is known. */
export type Holder = StepAnnouncement['step'] | undefined;

type Message = InspectSnapshot | StepAnnouncement | { readonly error: string };

export class Attachment {
  readonly #socket: Socket;
  #received = '';
  #onSnapshot: (snapshot: InspectSnapshot) => void = () => {};
  #onEnd: (error: Error) => void = () => {};
  #ended: Error | undefined;
  /** The task of the last announced step, unless an answer came after it. */
  holder: Holder;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (data: string) => this.#receive(data));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#end(
        'The process has ended, or has closed the connection: at most four clients are attached.',
      );
    });
  }

  /**
   * Connects, and asks the process to listen if it does not. Waits at most `limitMs` for that: a
   * process whose loop is held does not react before the loop turns.
   */
  static async open(target: Target, limitMs: number): Promise<Attachment> {
    const first = await connectTo(target.socket);
    if (first !== undefined) return new Attachment(first);
    if (target.request === undefined) {
      throw new CommandError(`No process listens at '${target.socket}'. Pass its process id.`);
    }
    target.request();
    try {
      for (const end = performance.now() + limitMs; performance.now() < end; ) {
        await delay(RETRY_MS);
        const socket = await connectTo(target.socket);
        if (socket !== undefined) return new Attachment(socket);
      }
    } finally {
      target.withdraw?.();
    }
    throw new CommandError(
      `No answer from ${target.title} for ${limitMs / 1000} s: its event loop is held, by a task ` +
        'or by other code that does not return, or the process is stopped.',
    );
  }

  /** Resolves to the answer, however long it takes. */
  request(request: SnapshotRequest): Promise<InspectSnapshot> {
    return new Promise((resolve, reject) => {
      this.#onSnapshot = resolve;
      this.#onEnd = reject;
      if (this.#ended !== undefined) reject(this.#ended);
      else this.#socket.write(`${JSON.stringify(request)}\n`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Rejects the current request and the following ones. Only the first reason counts. */
  #end(message: string): void {
    this.#ended ??= new CommandError(message);
    this.#socket.destroy();
    this.#onEnd(this.#ended);
  }

  #receive(data: string): void {
    this.#received += data;
    const lines = this.#received.split('\n');
    this.#received = lines.pop() ?? '';
    if (this.#received.length > MAX_ANSWER_CHARS) this.#socket.destroy();
    for (const line of lines) this.#onMessage(messageOf(line));
  }

  #onMessage(message: Message | undefined): void {
    if (message === undefined) {
      this.#end('The answer is not a snapshot: another program, or another version of Coronet.');
    } else if ('step' in message) {
      this.holder = message.step;
    } else {
      this.holder = undefined;
      if ('error' in message) this.#onEnd(new CommandError(message.error));
      else this.#onSnapshot(message);
    }
  }
}

/** `undefined`: the line is not a message of a Coronet program. */
function messageOf(line: string): Message | undefined {
  try {
    const message = JSON.parse(line);
    return 'step' in message || 'error' in message || message.version === 1 ? message : undefined;
  } catch {
    return undefined;
  }
}

function connectTo(path: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const onError = (): void => resolve(undefined);
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      resolve(socket);
    });
  });
}
