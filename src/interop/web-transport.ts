/**
 * A transport over a pair of web streams. It asks for one chunk at a time, when a try has found
 * none, and writes while the writable stream says that there is room (`desiredSize`).
 */
import type {
  ReadableStreamDefaultReader,
  ReadableStreamReadResult,
  WritableStreamDefaultWriter,
} from 'node:stream/web';
import { show, wrongType } from '../kernel/checks.ts';
import { cutOff, ForeignTransport } from './foreign-transport.ts';
import type { WebStreams } from './web-streams.ts';

/** The most that is handed over in one piece: the streams count pieces, not bytes, by default. */
const PIECE = 65_536;

export class WebTransport extends ForeignTransport {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  /** What has come and was not taken yet. */
  #chunk: Buffer | null = null;
  #reading = false;
  #waitsForRoom = false;

  constructor({ readable, writable }: WebStreams) {
    super();
    this.#reader = readable.getReader();
    this.#writer = writable.getWriter();
    this.#writer.closed.catch((error: unknown) => this.failed(error ?? cutOff()));
    this.#reader.closed.catch((error: unknown) => this.#readFailed(error));
  }

  override describe(): string {
    return 'web streams';
  }

  protected take(max: number): Buffer | undefined {
    const chunk = this.#chunk;
    if (chunk === null) {
      this.#read();
      return undefined;
    }
    this.#chunk = chunk.length > max ? chunk.subarray(max) : null;
    return chunk.subarray(0, max);
  }

  protected room(): number {
    if ((this.#writer.desiredSize ?? 0) > 0) return PIECE;
    this.#waitForRoom();
    return 0;
  }

  protected write(piece: Buffer): void {
    this.#writer.write(piece).catch((error: unknown) => this.failed(error ?? cutOff()));
  }

  protected dropInput(): void {
    this.#chunk = null;
    this.#reader.cancel().catch(ignore);
  }

  protected endOutput(): void {
    this.#writer.close().catch(ignore);
  }

  protected finish(): void {
    this.dropInput();
    this.endOutput();
  }

  protected abort(): void {
    this.dropInput();
    this.#writer.abort(cutOff()).catch(ignore);
  }

  #read(): void {
    if (this.#reading) return;
    this.#reading = true;
    this.#reader.read().then(
      (result) => this.#received(result),
      (error: unknown) => this.#readFailed(error),
    );
  }

  #received({ done, value }: ReadableStreamReadResult<Uint8Array>): void {
    this.#reading = false;
    if (this.closed) return;
    if (done) return this.ended();
    if (!(value instanceof Uint8Array)) return this.#readFailed(notBytes(value));
    if (value.length === 0) return this.#read();
    this.#chunk = Buffer.from(value.buffer, value.byteOffset, value.length);
    this.grantRecv();
  }

  #readFailed(error: unknown): void {
    this.failed(error ?? cutOff());
  }

  #waitForRoom(): void {
    if (this.#waitsForRoom) return;
    this.#waitsForRoom = true;
    const again = (): void => {
      this.#waitsForRoom = false;
      this.grantSend();
    };
    this.#writer.ready.then(again, again);
  }
}

function notBytes(value: unknown): TypeError {
  return wrongType('chunk', `bytes from the readable stream, not ${show(value)}`, value);
}

/** Failures are heard of through `closed`. */
function ignore(): void {}
