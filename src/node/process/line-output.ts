/**
 * Lines on standard output and standard error, for programs that run for months.
 *
 * The reader of a pipe may exit: the stream then emits EPIPE, which would end the process without a
 * listener. Or the reader may stop reading: Node buffers the lines without a limit, and clients can
 * cause some of them at any rate. So EPIPE is ignored, and lines beyond a limit are
 * dropped and counted.
 */

/** The most bytes that are buffered for a slow reader. */
const MAX_BUFFERED_BYTES = 1 << 20;

/** The used part of `process.stderr`. */
export interface LineStream {
  readonly writableLength: number;
  write(text: string): boolean;
  on(event: 'error', listener: () => void): unknown;
}

export class LineOutput {
  readonly #open: () => LineStream;
  #stream: LineStream | undefined;
  #dropped = 0;

  /** `open` is called with the first line: reading `process.stderr` opens the stream. */
  constructor(open: () => LineStream) {
    this.#open = open;
  }

  /** Never throws and never waits. */
  write(line: string): void {
    const stream = this.#openStream();
    if (stream.writableLength > MAX_BUFFERED_BYTES) {
      this.#dropped++;
      return;
    }
    if (this.#dropped > 0)
      stream.write(
        `coronet: ${this.#dropped} lines were dropped because the output was not read\n`,
      );
    this.#dropped = 0;
    stream.write(`${line}\n`);
  }

  #openStream(): LineStream {
    if (this.#stream === undefined) {
      this.#stream = this.#open();
      this.#stream.on('error', () => {});
    }
    return this.#stream;
  }
}

export const stdout: LineOutput = new LineOutput(() => process.stdout);
export const stderr: LineOutput = new LineOutput(() => process.stderr);
