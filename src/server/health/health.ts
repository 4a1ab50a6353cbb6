/**
 * `health` answers the questions of probes and scrapers over HTTP.
 *
 *   GET /livez     200 while the scheduler runs: the response itself is the proof
 *   GET /readyz    200 while the program is ready, otherwise 503
 *   GET /metrics   statistics in the Prometheus text format
 *   GET /          with the option `inspect`: a live page of the tasks (inspect.ts)
 *   GET /tasks     with the option `inspect`: the snapshot that the page shows, as JSON
 *
 * It is not one of the program's servers: a drain does not stop it, because it is needed most
 * then, and it does not make the program ready. The number of connections, their time and the size
 * of a request are limited, and silent connections do not delay others (connections.ts).
 */
import { runningTask } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy, watchCallback } from '../../kernel/operation.ts';
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
import type { StatsSource } from '../../world/world.ts';
import { HealthConnections } from './connections.ts';
import type { HttpRequest, HttpResponse } from './http.ts';
import { readRequest, sendResponse } from './http.ts';
import type { InspectOptions } from './inspect.ts';
import { checkInspect, checkInspectAddress, checkInspectListener, Inspector } from './inspect.ts';
import type { MetricsSource, NamedSource } from './metrics.ts';
import { collectMetrics, metricsPage, refreshAll } from './metrics.ts';

/** From the accept to the close. */
const REQUEST_TIMEOUT_MS = 5000;
/** The pause after an accept that failed, if no connection can be closed for its descriptor. */
const ACCEPT_PAUSE_MS = 1000;

/** Options of `health`. */
export interface HealthOptions {
  /** An additional check, called at every request: false makes `/readyz` return 503. */
  ready?(): boolean;
  /**
   * Servers and other sources of statistics for `/metrics`; the keys become the label `server`,
   * or the label that their `metricsPrefix` names. Read at every request. Default: the servers that
   * run under `main`, by their addresses.
   */
  readonly servers?: Readonly<Record<string, MetricsSource>>;
  /**
   * True: `/` is a live page of the tasks, connections and servers of the program, and `/tasks` its
   * data as JSON (`InspectSnapshot`). Only on loopback addresses and Unix sockets, unless `remote`
   * is set. Default false.
   */
  readonly inspect?: boolean | InspectOptions;
  /** Called once, when `health` listens. An exception ends the operation. */
  onListening?(address: SocketAddress): void;
}

const HEALTH_KEYS: Keys<HealthOptions> = {
  ready: true,
  servers: true,
  inspect: true,
  onListening: true,
};

/**
 * Answers `GET /livez`, `/readyz` and `/metrics` at `address` until it is cancelled: spawn it as a
 * daemon. A port alone means 127.0.0.1; name the host to allow probes from other machines, as in
 * '0.0.0.0:9090'.
 *
 * `/readyz` returns 200 while the program can serve: it is ready (see `ready`), not all of its
 * servers have ended, and of `workers` at least one is ready. Otherwise, and after the first
 * signal, it returns 503 and the reason. Without `main` the program counts as ready; the option
 * `ready` can override that.
 * `/metrics` shows the statistics of the process, of the scheduler and of servers. It needs the
 * package prom-client and returns 501 without it.
 * With `inspect` a browser shows the running program at `/`: its tree of tasks, its connections and
 * charts. The page reads `/tasks`, which scripts can read too.
 *
 * Cancel: closes the listener and all connections.
 * Errors: those of `listen`; exceptions of `onListening`; TypeError for invalid options;
 * ERR_INSPECT_REMOTE for `inspect` at an address that is not a loopback address.
 *
 * @example
 * yield* group(function* (tasks) {
 *   tasks.spawn(() => health(9090), { daemon: true });
 *   yield* tcpServer(25000, echo);
 * });
 */
export function health(address: Address, options: HealthOptions = {}): Operation<never> {
  const at = typeof address === 'number' ? { host: '127.0.0.1', port: address } : address;
  checkListenAddress(at);
  checkKeys('options', options, HEALTH_KEYS);
  const { ready: check } = options;
  if (check !== undefined && typeof check !== 'function') {
    throw wrongType('options.ready', 'a function', check);
  }
  checkSources(options.servers);
  const inspect = checkInspect(options.inspect);
  if (inspect !== undefined) checkInspectAddress(at, inspect);
  return new Lazy(() => runHealth(at, options, inspect));
}

function checkSources(servers: unknown = {}): void {
  if (typeof servers !== 'object' || servers === null) {
    throw wrongType('options.servers', 'an object of servers', servers);
  }
  for (const [name, source] of Object.entries(servers)) {
    if (typeof (source as Partial<MetricsSource> | null)?.stats === 'function') continue;
    throw wrongType(`options.servers.${name}`, 'a server or an object with `stats()`', source);
  }
}

function* runHealth(
  address: Address,
  options: HealthOptions,
  inspect: InspectOptions | undefined,
): Generator<Wait, never> {
  const listener = yield* listen(address, {});
  try {
    if (inspect !== undefined) checkInspectListener(listener.address, inspect);
    const { scheduler } = runningTask();
    watchCallback(options.onListening?.(listener.address), (error) => scheduler.unhandled(error));
    const serve = (tasks: Group): Generator<Wait, never> => {
      const inspector = inspect === undefined ? undefined : new Inspector(inspect, tasks);
      const connections = new HealthConnections();
      const server = { options, connections, names: new SourceNames(), inspector };
      return acceptAll(listener, server, tasks);
    };
    return yield* group(serve, { name: 'health' });
  } finally {
    listener.close();
  }
}

function* acceptAll(
  listener: Listener,
  server: HealthServer,
  tasks: Group,
): Generator<Wait, never> {
  tasks.spawn(() => server.connections.evictLoop(), { name: 'eviction', daemon: true });
  for (;;) {
    yield* server.connections.waitForCapacity();
    const socket = yield* acceptNext(listener, server.connections);
    server.connections.add(socket);
    tasks.spawn(() => serveConnection(socket, server), { name: 'health request' });
  }
}

/** The state that the connections share. */
interface HealthServer {
  readonly options: HealthOptions;
  readonly connections: HealthConnections;
  readonly names: SourceNames;
  /** `undefined`: the page is not served. */
  readonly inspector: Inspector | undefined;
}

function* acceptNext(listener: Listener, connections: HealthConnections): Generator<Wait, Socket> {
  for (;;) {
    try {
      return yield* listener.accept();
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (isCancelled(error) || code === 'ERR_CLOSED') throw error;
    }
    // A silent connection must not keep the last descriptor.
    if (!connections.closeOldest()) yield* sleep(ACCEPT_PAUSE_MS);
  }
}

/** An error ends this connection only. */
function* serveConnection(socket: Socket, server: HealthServer): Generator<Wait, void> {
  try {
    yield* moveOnAfter(REQUEST_TIMEOUT_MS, () => exchange(socket, server));
  } catch (error) {
    if (isCancelled(error)) throw error;
  } finally {
    socket.close();
    server.connections.remove(socket);
  }
}

function* exchange(socket: Socket, server: HealthServer): Generator<Wait, void> {
  const request = yield* readRequest(socket);
  if (request === null) return;
  if ('status' in request) return yield* sendResponse(socket, request);
  server.connections.stopWaiting(socket);
  const response = yield* respond(request, server);
  server.connections.startWaiting(socket);
  yield* sendResponse(socket, { ...response, headOnly: request.headOnly });
}

function* respond(request: HttpRequest, server: HealthServer): Generator<Wait, HttpResponse> {
  const { inspector } = server;
  switch (request.target) {
    case '/livez':
      return { status: 200, body: 'alive\n' };
    case '/readyz':
      return readinessResponse(server.options);
    case '/metrics':
      return yield* metricsResponse(server);
    case '/':
    case '/tasks':
      if (inspector !== undefined) return yield* inspectResponse(request, server, inspector);
  }
  const pages = inspector === undefined ? '' : '/, /tasks, ';
  return { status: 404, body: `Expected ${pages}/livez, /readyz or /metrics\n` };
}

function* inspectResponse(
  request: HttpRequest,
  server: HealthServer,
  inspector: Inspector,
): Generator<Wait, HttpResponse> {
  try {
    return yield* inspector.respond(request, () => sourcesOf(server));
  } catch (error) {
    if (isCancelled(error)) throw error;
    return { status: 500, body: `The snapshot is not available: ${String(error)}\n` };
  }
}

function sourcesOf({ options: { servers }, names }: HealthServer): readonly NamedSource[] {
  return servers === undefined ? names.runningServers() : Object.entries(servers);
}

function readinessResponse({ ready: check }: HealthOptions): HttpResponse {
  const { program } = currentWorld();
  if (program?.stopping === true) return { status: 503, body: 'stopping\n' };
  if (program?.ready === false) return notReady(program.notReadyReason);
  for (const { workers } of program?.servers ?? []) {
    if (workers?.ready === 0) return notReady(`0 of ${workers.wanted} workers are ready`);
  }
  try {
    if (check?.() === false) return notReady();
  } catch (error) {
    // A check that throws counts as not ready.
    return notReady(String(error));
  }
  return { status: 200, body: 'ready\n' };
}

function notReady(reason?: string): HttpResponse {
  return { status: 503, body: reason === undefined ? 'not ready\n' : `not ready: ${reason}\n` };
}

function* metricsResponse(server: HealthServer): Generator<Wait, HttpResponse> {
  try {
    yield* refreshAll(sourcesOf(server));
    const body = yield* metricsPage(collectMetrics(sourcesOf(server)));
    return { status: 200, body, type: 'text/plain; version=0.0.4; charset=utf-8' };
  } catch (error) {
    if (isCancelled(error)) throw error;
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (code === 'ERR_MISSING_PEER') return { status: 501, body: `${message}\n` };
    return { status: 500, body: `The metrics are not available: ${String(error)}\n` };
  }
}

/**
 * The label `server` of the servers under `main`: the address. Servers may share one (`reusePort`):
 * each further one has a number, which it keeps until it ends.
 */
class SourceNames {
  #names = new Map<StatsSource, string>();

  runningServers(): readonly NamedSource[] {
    const running = [...(currentWorld().program?.servers ?? [])];
    this.#names = new Map([...this.#names].filter(([source]) => running.includes(source)));
    for (const source of running) {
      if (!this.#names.has(source)) this.#names.set(source, this.#freeName(String(source.address)));
    }
    return Array.from(this.#names, ([source, name]) => [name, source] as const);
  }

  #freeName(address: string): string {
    const taken = new Set(this.#names.values());
    for (let number = 1; ; number++) {
      const name = number === 1 ? address : `${address} (${number})`;
      if (!taken.has(name)) return name;
    }
  }
}
