/**
 * `health`: how the program is, told to whoever looks after it, over HTTP.
 *
 *   GET /livez     200 while the scheduler turns: the answer is the proof
 *   GET /readyz    200 while the program is ready, otherwise 503
 *   GET /metrics   figures in the text form of Prometheus
 *
 * It is no server of the program's: a drain does not stop it, since this is when it is asked most,
 * and it does not make the program ready. What a stranger can do to it is bounded: connections,
 * time, and the length of a request.
 */
import { Event } from '../../flow/event.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import type { Group } from '../../kernel/task/group.ts';
import { group } from '../../kernel/task/group.ts';
import { sleep } from '../../kernel/waits.ts';
import type { Address, SocketAddress } from '../../net/address.ts';
import { checkListenAddress } from '../../net/address.ts';
import { currentWorld } from '../../net/current-world.ts';
import { listen } from '../../net/tcp/listen.ts';
import type { Listener } from '../../net/tcp/listener.ts';
import type { Socket } from '../../net/tcp/socket.ts';
import type { Keys } from '../../support/checks.ts';
import { checkKeys, wrongType } from '../../support/checks.ts';
import type { HttpResponse } from './http.ts';
import { readRequest, sendResponse } from './http.ts';
import type { MetricsSource } from './metrics.ts';
import { collectMetrics, metricsPage, refreshAll } from './metrics.ts';

/** A few probes, a scraper and a curious person. */
const MAX_CONNECTIONS = 16;
/** From the connection to its end. */
const REQUEST_TIMEOUT_MS = 5000;
/** After an accept that failed for want of descriptors. */
const ACCEPT_PAUSE_MS = 1000;

/** What `health` can be told. */
export interface HealthOptions {
  /** Asked beside the program itself, at every request: false makes `/readyz` answer 503. */
  ready?(): boolean;
  /**
   * Servers (or whatever else has `stats()`) by the names that their figures have in `/metrics`.
   * Read at every request. Absent: the servers that run under `main`, by their addresses.
   */
  readonly servers?: Readonly<Record<string, MetricsSource>>;
  /** Called once, when it listens. What it throws ends the operation. */
  onListening?(address: SocketAddress): void;
}

const HEALTH_KEYS: Keys<HealthOptions> = { ready: true, servers: true, onListening: true };

/**
 * Answers `GET /livez`, `/readyz` and `/metrics` at `address` until it is cancelled: spawn it as a
 * daemon. A port alone is one of 127.0.0.1; for probes from elsewhere name the host, as in
 * '0.0.0.0:9090'.
 *
 * `/readyz` answers 200 while the program is ready (see `ready`) and 503 before and from the first
 * signal on; without `main` it is ready unless `ready` in the options says otherwise. `/metrics`
 * has the figures of the process, of the scheduler and of servers.
 *
 * @example
 * yield* group(function* (tasks) {
 *   tasks.spawn(() => health(9090), { daemon: true });
 *   yield* tcpServer(25000, echo);
 * });
 *
 * Cancel: listener and connections are closed. Errors: those of `listen`; what `onListening`
 * throws.
 */
export function health(address: Address, options: HealthOptions = {}): Operation<never> {
  const at = typeof address === 'number' ? { host: '127.0.0.1', port: address } : address;
  checkListenAddress(at);
  checkKeys('options', options, HEALTH_KEYS);
  const { ready } = options;
  if (ready !== undefined && typeof ready !== 'function') {
    throw wrongType('options.ready', 'a function', ready);
  }
  return new Lazy(() => runHealth(at, options));
}

function* runHealth(address: Address, options: HealthOptions): Generator<Wait, never> {
  const listener = yield* listen(address, {});
  try {
    options.onListening?.(listener.address);
    return yield* group((tasks) => acceptAll(listener, options, tasks), { name: 'health' });
  } finally {
    listener.close();
  }
}

/** A connection is accepted once there is a place for it; until then the system's queue has it. */
function* acceptAll(
  listener: Listener,
  options: HealthOptions,
  tasks: Group,
): Generator<Wait, never> {
  const left = new Event('a place for a health request');
  let open = 0;
  const ended = (): void => {
    open--;
    left.set();
  };
  for (;;) {
    left.clear();
    if (open >= MAX_CONNECTIONS) yield* left.wait();
    const socket = yield* acceptNext(listener);
    open++;
    tasks.spawn(() => serveConnection(socket, options, ended), { name: 'health request' });
  }
}

function* acceptNext(listener: Listener): Generator<Wait, Socket> {
  for (;;) {
    try {
      return yield* listener.accept();
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (isCancelled(error) || code === 'ERR_CLOSED') throw error;
    }
    yield* sleep(ACCEPT_PAUSE_MS);
  }
}

/** Whatever a client does ends its own connection, and nothing else. */
function* serveConnection(
  socket: Socket,
  options: HealthOptions,
  ended: () => void,
): Generator<Wait, void> {
  try {
    yield* moveOnAfter(REQUEST_TIMEOUT_MS, () => exchange(socket, options));
  } catch (error) {
    if (isCancelled(error)) throw error;
  } finally {
    socket.close();
    ended();
  }
}

function* exchange(socket: Socket, options: HealthOptions): Generator<Wait, void> {
  const request = yield* readRequest(socket);
  if (request === null) return;
  if ('status' in request) return yield* sendResponse(socket, request);
  const { target, headOnly } = request;
  yield* sendResponse(socket, { ...(yield* respond(target, options)), headOnly });
}

function* respond(target: string, options: HealthOptions): Generator<Wait, HttpResponse> {
  switch (target) {
    case '/livez':
      return { status: 200, body: 'alive\n' };
    case '/readyz':
      return readinessResponse(options);
    case '/metrics':
      return yield* metricsResponse(options);
    default:
      return { status: 404, body: 'Ask for /livez, /readyz or /metrics\n' };
  }
}

/** Unavailable is also what a question that fails says: it is no reason to send traffic here. */
function readinessResponse(options: HealthOptions): HttpResponse {
  const { program } = currentWorld();
  if (program?.stopping === true) return { status: 503, body: 'stopping\n' };
  if (program?.ready === false) return { status: 503, body: 'not ready\n' };
  try {
    if (options.ready?.() === false) return { status: 503, body: 'not ready\n' };
  } catch (error) {
    return { status: 503, body: `not ready: ${String(error)}\n` };
  }
  return { status: 200, body: 'ready\n' };
}

function* metricsResponse(options: HealthOptions): Generator<Wait, HttpResponse> {
  try {
    yield* refreshAll(metricsSources(options));
    const body = yield* metricsPage(collectMetrics(metricsSources(options)));
    return { status: 200, body, type: 'text/plain; version=0.0.4; charset=utf-8' };
  } catch (error) {
    if (isCancelled(error)) throw error;
    return { status: 500, body: `The figures are not to be had: ${String(error)}\n` };
  }
}

function metricsSources({ servers }: HealthOptions): readonly (readonly [string, MetricsSource])[] {
  if (servers !== undefined) return Object.entries(servers);
  const running = [...(currentWorld().program?.servers ?? [])];
  return running.map((server) => [String(server.address), server] as const);
}
