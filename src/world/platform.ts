/** What a program asks of the process that it runs in. */

/** The signals that end a program. */
export type EndSignal = 'SIGINT' | 'SIGTERM';

/** A channel of node:diagnostics_channel, or one that is like it. */
export interface DiagnosticsChannel {
  /** False: nobody listens, so a message need not even be made. */
  readonly hasSubscribers: boolean;
  publish(message: unknown): void;
}

export interface Platform {
  /** Calls `heard` for every SIGINT and SIGTERM until the returned function is called. */
  onEndSignals(heard: (signal: EndSignal) => void): () => void;
  /** Writes one line to standard error. */
  report(line: string): void;
  /** Sets the code with which the process will end. */
  setExitCode(code: number): void;
  /** Ends the process at once. */
  exit(code: number): never;
  /** The channel of that name. Absent where nobody could listen. */
  channel?(name: string): DiagnosticsChannel;
}
