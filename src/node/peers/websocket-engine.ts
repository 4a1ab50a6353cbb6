/**
 * The parser of the npm package `ws`, an optional peer dependency. Its Receiver is exported and not
 * documented, so websocket-engine.test.ts states what is used of it.
 */
import type {
  WebSocketEngine,
  WebSocketEvents,
  WebSocketFault,
  WebSocketReceiver,
  WebSocketReceiverOptions,
} from '../../world/websocket.ts';
import { requirePeer } from './require-peer.ts';

/** The part of `ws` that is used. */
interface Library {
  readonly Receiver: new (options: object) => Receiver;
}

interface Receiver {
  /** The `_write` of a Writable: parses `chunk` and calls `done` at once. A `write` would report
   *  errors in a later tick. */
  _write(chunk: Buffer, encoding: string, done: (error?: ReceiverError | null) => void): void;
  on(event: string, listener: (...args: never[]) => void): unknown;
}

type ReceiverError = Error & { readonly [key: symbol]: unknown };

/** RFC 6455, section 1.3. */
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

let library: Library | undefined;

function load(): Library {
  library ??= requirePeer('ws', 'coronet/ws') as Library;
  return library;
}

/** The engine of `ws`, which is loaded at its first use. */
export const websocketEngine: WebSocketEngine = {
  createReceiver(options: WebSocketReceiverOptions, events: WebSocketEvents): WebSocketReceiver {
    return new FrameReceiver(options, events);
  },

  acceptKey(key: string): string {
    const { createHash } = process.getBuiltinModule('node:crypto');
    return createHash('sha1').update(`${key}${ACCEPT_GUID}`).digest('base64');
  },
};

class FrameReceiver implements WebSocketReceiver {
  readonly #receiver: Receiver;
  #fault: WebSocketFault | null = null;
  readonly #done = (error?: ReceiverError | null): void => {
    if (error) this.#fault = { message: messageOf(error), closeCode: closeCodeOf(error) };
  };

  constructor({ isServer, maxBytes, maxFragments }: WebSocketReceiverOptions, to: WebSocketEvents) {
    const { Receiver } = load();
    this.#receiver = new Receiver({
      isServer,
      maxPayload: maxBytes,
      maxFragments,
      allowSynchronousEvents: true,
    });
    this.#receiver.on('message', (data: Buffer, isBinary: boolean) => to.onMessage(data, isBinary));
    this.#receiver.on('ping', (data: Buffer) => to.onPing(data));
    this.#receiver.on('pong', () => to.onPong());
    this.#receiver.on('conclude', (code: number, reason: Buffer) =>
      to.onClose(code, String(reason)),
    );
  }

  write(bytes: Buffer): WebSocketFault | null {
    this.#receiver._write(bytes, 'buffer', this.#done);
    return this.#fault;
  }
}

/** "Invalid WebSocket frame: MASK must be set", without the beginning. */
function messageOf(error: Error): string {
  return error.message.replace(/^Invalid WebSocket frame: /, '');
}

/** `ws` stores the close code under a symbol of its own. */
function closeCodeOf(error: ReceiverError): number {
  const key = Object.getOwnPropertySymbols(error).find(
    (each) => each.description === 'status-code',
  );
  const code = key === undefined ? undefined : error[key];
  return typeof code === 'number' ? code : 1002;
}
