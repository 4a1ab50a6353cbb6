/** Who is told what a server does: its callbacks, the channels of diagnostics, standard error. */

import { userLines } from '../kernel/debug.ts';
import type { Scheduler } from '../kernel/scheduler.ts';
import type { SocketAddress } from '../net/address.ts';
import type { Socket } from '../net/tcp/socket.ts';
import { firstLine, stackOf } from '../support/checks.ts';
import type { DiagnosticsChannel, Platform } from '../world/platform.ts';
import type { ServerOptions } from './options.ts';
import type { CloseRecord, DrainReport, LimitName, RefusalCause } from './stats.ts';

/** The same warning again and again would fill a disk, and help nobody. */
const WARNING_INTERVAL_MS = 60_000;

/**
 * Clients can make some handlers fail as often as they connect. So many failures are told at once
 * where the program does not say what becomes of them, then one in so many milliseconds.
 */
const FAILURE_BURST = 100;
const FAILURE_INTERVAL_MS = 1000;

export class Reporter {
  readonly #server: SocketAddress;
  readonly #options: ServerOptions;
  readonly #scheduler: Scheduler;
  readonly #platform: Platform;
  readonly #connections: DiagnosticsChannel | undefined;
  readonly #closes: DiagnosticsChannel | undefined;
  readonly #limits: DiagnosticsChannel | undefined;
  #warnedAt = -Infinity;
  /** Failures that may be told as of `#failedAt` (a token bucket), and those that were not. */
  #failureTokens = FAILURE_BURST;
  #refilledAt = 0;
  #unreported = 0;

  constructor(
    server: SocketAddress,
    options: ServerOptions,
    scheduler: Scheduler,
    platform: Platform,
  ) {
    this.#server = server;
    this.#options = options;
    this.#scheduler = scheduler;
    this.#platform = platform;
    this.#connections = platform.channel?.('coronet:server:connection');
    this.#closes = platform.channel?.('coronet:server:close');
    this.#limits = platform.channel?.('coronet:server:limit');
  }

  connected(socket: Socket): void {
    if (this.#connections?.hasSubscribers !== true) return;
    this.#connections.publish({ server: this.#server, peer: socket.remoteAddress });
  }

  /** `record` is called only if somebody wants to know. */
  closed(record: () => CloseRecord): void {
    const { onClose } = this.#options;
    const isHeard = this.#closes?.hasSubscribers === true;
    if (onClose === undefined && !isHeard) return;
    const made = record();
    if (isHeard) this.#closes?.publish({ server: this.#server, ...made });
    if (onClose !== undefined) this.#callSafely(() => onClose(made));
  }

  limited(limit: LimitName | RefusalCause | 'maxConnections', peer?: SocketAddress): void {
    if (this.#limits?.hasSubscribers !== true) return;
    this.#limits.publish({ server: this.#server, limit, peer });
  }

  drained(report: DrainReport): void {
    const { onDrained } = this.#options;
    if (onDrained !== undefined) this.#callSafely(() => onDrained(report));
  }

  failed(error: unknown, peer: SocketAddress): void {
    const { onError } = this.#options;
    if (onError !== undefined) return this.#callSafely(() => onError(error, peer));
    if (!this.#mayReportFailure()) {
      this.#unreported++;
      return;
    }
    const others = this.#unreported === 0 ? '' : `, and ${this.#unreported} others before it`;
    this.#unreported = 0;
    this.#platform.report(
      `coronet: the handler of ${peer} failed${others}: ${describeThrown(error)}`,
    );
  }

  #mayReportFailure(): boolean {
    const now = this.#scheduler.now();
    const more = (now - this.#refilledAt) / FAILURE_INTERVAL_MS;
    this.#failureTokens = Math.min(FAILURE_BURST, this.#failureTokens + more);
    this.#refilledAt = now;
    if (this.#failureTokens < 1) return false;
    this.#failureTokens--;
    return true;
  }

  /** A connection reached no handler, because its proxy did not do what it is there for. */
  proxyHeaderFailed(error: Error, peer: SocketAddress): void {
    const { onError } = this.#options;
    if (onError !== undefined) return this.#callSafely(() => onError(error, peer));
    this.warn(error.message);
  }

  report(text: string): void {
    this.#platform.report(`coronet: the server at ${this.#server}: ${text}`);
  }

  /** For what may go on and on. */
  warn(text: string): void {
    const now = this.#scheduler.now();
    if (now - this.#warnedAt < WARNING_INTERVAL_MS) return;
    this.#warnedAt = now;
    this.report(`${text} This is said once a minute at most.`);
  }

  /** A callback that throws is nobody's failure but its own. */
  #callSafely(call: () => void): void {
    try {
      call();
    } catch (thrown) {
      this.#scheduler.unhandled(thrown);
    }
  }
}

/** What was thrown, and the program's own line that it comes from. A peer may have had its say in
 *  it: whatever that is, it stays in one line. */
function describeThrown(thrown: unknown): string {
  const where = userLines(stackOf(thrown), 1);
  const line = where === '' ? firstLine(thrown) : `${firstLine(thrown)} (at ${where})`;
  return line.replace(/\p{Cc}/gu, ' ');
}
