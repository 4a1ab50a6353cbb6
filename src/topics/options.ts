/** Options of `natsTopics`. */
import { currentWorld } from '../net/current-world.ts';
import type { Keys } from '../support/checks.ts';
import { checkCount, checkDuration, checkKeys, outOfRange, wrongType } from '../support/checks.ts';
import type { BrokerOptions, BrokerTlsOptions } from '../world/broker.ts';

/** Options of `natsTopics`. */
export interface NatsOptions extends BrokerOptions {
  /** `publish` waits while so many bytes are not confirmed by the server. Default 1 MiB. */
  readonly flushBytes?: number;
  /**
   * The time in milliseconds after which an operation that waits for the server fails with
   * ERR_TOPICS_DISCONNECTED. The client continues to reconnect. Default 10,000.
   */
  readonly maxDisconnectedMs?: number;
}

const NATS_KEYS: Keys<NatsOptions> = {
  servers: true,
  name: true,
  user: true,
  password: true,
  token: true,
  credentials: true,
  tls: true,
  timeoutMs: true,
  reconnectDelayMs: true,
  pingIntervalMs: true,
  flushBytes: true,
  maxDisconnectedMs: true,
};
const TLS_KEYS: Keys<BrokerTlsOptions> = { ca: true, cert: true, key: true };
const TEXTS = ['name', 'user', 'password', 'token', 'credentials'] as const;
const DURATIONS = ['timeoutMs', 'reconnectDelayMs', 'pingIntervalMs', 'maxDisconnectedMs'] as const;

/** Throws for invalid options. */
export function checkNatsOptions(options: NatsOptions): void {
  checkKeys('options', options, NATS_KEYS);
  checkServers(options.servers);
  checkTexts(options, TEXTS);
  for (const name of DURATIONS) {
    if (options[name] !== undefined) checkDuration(name, options[name]);
  }
  if (options.flushBytes !== undefined) checkCount('flushBytes', options.flushBytes, 1);
  const { tls } = options;
  if (tls === undefined || tls === true) return;
  checkKeys('options.tls', tls, TLS_KEYS);
  checkTexts(tls, ['ca', 'cert', 'key']);
}

function checkServers(servers: unknown): void {
  const list = Array.isArray(servers) ? servers : [servers];
  if (list.length === 0) throw outOfRange('servers', 'at least one address', servers);
  for (const server of list) {
    if (typeof server !== 'string') throw wrongType('servers', 'addresses of servers', server);
    if (!/^[^\s]+$/.test(server)) throw outOfRange('servers', "addresses 'host:port'", server);
  }
}

function checkTexts<T extends object>(options: T, names: readonly (keyof T & string)[]): void {
  for (const name of names) {
    const value = options[name];
    if (value !== undefined && typeof value !== 'string')
      throw wrongType(`options.${name}`, 'a string', value);
  }
}

/** A name that no other program has chosen or can guess. */
export function randomToken(): string {
  return Buffer.from(currentWorld().platform.randomBytes(16)).toString('hex');
}
