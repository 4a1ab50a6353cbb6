/** Reports the events of a server to callbacks, diagnostics channels and standard error. */
import { userLines } from '../kernel/debug.ts';
import { watchCallback } from '../kernel/operation.ts';
import type { Scheduler } from '../kernel/scheduler.ts';
import type { SocketAddress } from '../net/address.ts';
import type { Socket } from '../net/tcp/socket.ts';
import { firstLine, stackOf } from '../support/checks.ts';
import type { DiagnosticsChannel, Platform } from '../world/platform.ts';
import type { ServerOptions } from './options.ts';
import type { CloseRecord, DrainReport, LimitName, RefusalReason } from './stats.ts';

/** Minimum time between two warnings: a repeated warning could fill a disk. */
const WARNING_INTERVAL_MS = 60_000;

/**
 * Clients can make some handlers fail as often as they connect. Without `onError`, this many
 * failures are reported at once, then one per interval.
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
  /** Failures that may be reported, as of `#refilledAt` (a token bucket). */
  #failureTokens = FAILURE_BURST;
  #refilledAt = 0;
  /** Failures since the last report that were not reported. */
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

  /** `makeRecord` is called only if there is a callback or a subscriber. */
  closed(makeRecord: () => CloseRecord): void {
    const { onClose } = this.#options;
    const hasSubscribers = this.#closes?.hasSubscribers === true;
    if (onClose === undefined && !hasSubscribers) return;
    const record = makeRecord();
    if (hasSubscribers) this.#closes?.publish({ server: this.#server, ...record });
    if (onClose !== undefined) this.#callSafely(() => onClose(record));
  }

  limited(limit: LimitName | RefusalReason | 'maxConnections', peer?: SocketAddress): void {
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
    if (!this.#takeFailureToken()) {
      this.#unreported++;
      return;
    }
    const count = this.#unreported;
    const others = count === 0 ? '' : ` (and ${count} other failures were not reported)`;
    this.#unreported = 0;
    const reason = describeThrown(error);
    this.#platform.report(`coronet: the handler of ${peer} failed${others}: ${reason}`);
    this.#platform.handlerFailed?.(reason);
  }

  #takeFailureToken(): boolean {
    const now = this.#scheduler.now();
    const refill = (now - this.#refilledAt) / FAILURE_INTERVAL_MS;
    this.#failureTokens = Math.min(FAILURE_BURST, this.#failureTokens + refill);
    this.#refilledAt = now;
    if (this.#failureTokens < 1) return false;
    this.#failureTokens--;
    return true;
  }

  /** A trusted proxy did not send a valid header, so the connection did not reach a handler. */
  proxyHeaderFailed(error: Error, peer: SocketAddress): void {
    const { onError } = this.#options;
    if (onError !== undefined) return this.#callSafely(() => onError(error, peer));
    this.warn(error.message);
  }

  report(text: string): void {
    this.#platform.report(`coronet: the server at ${this.#server}: ${text}`);
  }

  /** Reports a condition that may last, at most once a minute. */
  warn(text: string): void {
    const now = this.#scheduler.now();
    if (now - this.#warnedAt < WARNING_INTERVAL_MS) return;
    this.#warnedAt = now;
    this.report(`${text} This warning is repeated at most once a minute.`);
  }

  /** An exception of a callback goes to `hooks.onUnhandled` and does not affect the server. */
  #callSafely(call: () => unknown): void {
    const report = (error: unknown) => this.#scheduler.unhandled(error, true);
    try {
      watchCallback(call(), report);
    } catch (thrown) {
      report(thrown);
    }
  }
}

/** The error and the line of the program that threw it, on one line: a peer may control a part of
 *  the message. */
function describeThrown(thrown: unknown): string {
  const where = userLines(stackOf(thrown), 1);
  const message = firstLine(thrown);
  // The message of a forgotten `yield*` already contains the line.
  const line = message.includes(where) ? message : `${message} (at ${where})`;
  return line.replace(/\p{Cc}/gu, ' ');
}
