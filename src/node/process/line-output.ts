/**
 * Lines on standard output and standard error, for programs that run for months.
 *
 * Whoever reads them may go away: the stream then emits EPIPE, and with nobody to hear it that
 * would end the process. Or they may stop reading: Node keeps what the pipe does not take, without
 * a limit, and some lines come as often as clients like. So the first is no failure here, and of
 * the second only so much is kept; the lines beyond are counted.
 */

/** Bytes that wait for a reader who does not read. */
const MAX_BUFFERED_BYTES = 1 << 20;

/** What is needed of `process.stderr`. */
export interface LineStream {
  readonly writableLength: number;
  write(text: string): boolean;
  on(event: 'error', heard: () => void): unknown;
}

export class LineOutput {
  readonly #open: () => LineStream;
  #stream: LineStream | undefined;
  #dropped = 0;

  /** `open` is called with the first line: to ask for `process.stderr` is to open it. */
  constructor(open: () => LineStream) {
    this.#open = open;
  }

  /** Never throws, and never waits. */
  write(line: string): void {
    const stream = this.#openStream();
    if (stream.writableLength > MAX_BUFFERED_BYTES) {
      this.#dropped++;
      return;
    }
    if (this.#dropped > 0)
      stream.write(`coronet: ${this.#dropped} lines were lost, as nobody read them\n`);
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
