/** Options of WebSocket connections. */
import type { Keys } from '../support/checks.ts';
import { checkCount, checkDuration, checkInteger } from '../support/checks.ts';

/** Options of every WebSocket connection. */
export interface WebSocketOptions {
  /** The maximum number of bytes of a received message; 1 MB. A larger one ends the connection
   *  with 1009. */
  readonly maxMessageBytes?: number;
  /** The maximum number of fragments of a received message; 1024. */
  readonly maxFragments?: number;
  /** Time without received bytes, in milliseconds, after which a ping is sent; 30 s. Infinity: no
   *  pings. */
  readonly pingIntervalMs?: number;
  /** Time in milliseconds that the peer has to answer a ping; 10 s. Counts only while a task
   *  receives. */
  readonly pongTimeoutMs?: number;
  /** Time limit of the closing handshake, in milliseconds; 10 s. */
  readonly closeTimeoutMs?: number;
}

/** The options with their defaults. */
export type ConnectionSettings = Required<WebSocketOptions>;

export const WEBSOCKET_KEYS: Keys<WebSocketOptions> = {
  maxMessageBytes: true,
  maxFragments: true,
  pingIntervalMs: true,
  pongTimeoutMs: true,
  closeTimeoutMs: true,
};

/** Checks the options and completes them. */
export function settingsOf(options: WebSocketOptions): ConnectionSettings {
  const {
    maxMessageBytes = 2 ** 20,
    maxFragments = 1024,
    pingIntervalMs = 30_000,
    pongTimeoutMs = 10_000,
    closeTimeoutMs = 10_000,
  } = options;
  checkInteger('maxMessageBytes', maxMessageBytes, 1, 2 ** 31 - 1);
  checkInteger('maxFragments', maxFragments, 1, 2 ** 31 - 1);
  checkDuration('pingIntervalMs', pingIntervalMs);
  checkCount('pingIntervalMs', Math.ceil(pingIntervalMs), 1);
  checkDuration('pongTimeoutMs', pongTimeoutMs);
  checkDuration('closeTimeoutMs', closeTimeoutMs);
  return { maxMessageBytes, maxFragments, pingIntervalMs, pongTimeoutMs, closeTimeoutMs };
}
