/**
 * `workers`: runs a program in several processes that share listening sockets, restarts those that
 * end, and replaces them one by one. The decisions are in supervisor.ts.
 */
import { runningTask } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy, watchCallback } from '../../kernel/operation.ts';
import type { Scope } from '../../kernel/scope/scope.ts';
import { shield } from '../../kernel/scope/shield.ts';
import { scope } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { checkpoint } from '../../kernel/waits.ts';
import type { Address } from '../../net/address.ts';
import {
  checkListenAddress,
  formatAddress,
  inheritedFd,
  parseAddress,
  SocketAddress,
} from '../../net/address.ts';
import { bindAt } from '../../net/bind.ts';
import { currentWorld } from '../../net/current-world.ts';
import {
  checkDuration,
  checkInteger,
  checkKeys,
  msText,
  outOfRange,
  wrongType,
} from '../../support/checks.ts';
import type { SharedListeners, WorkerExit, WorkerStart } from '../../world/platform.ts';
import { checkLimit } from '../options.ts';
import type { WorkerIdentity } from './errors.ts';
import { describeExit, describeWorker } from './errors.ts';
import type { WorkersStats } from './stats.ts';
import { Supervisor } from './supervisor.ts';

/** Options of `workers`. */
export interface WorkersOptions {
  /**
   * The addresses at which the workers listen. The supervisor opens the listeners before it starts
   * a worker and keeps them open, so that no connection is refused or lost while a worker is
   * replaced. A worker that listens at the same address, in the same notation, takes the listener
   * over. Each worker has an accept queue of its own if the system supports that; while it is not
   * ready, the others accept from its queue.
   */
  readonly listen?: Address | readonly Address[];
  /** Arguments after the module on the command line of each worker. */
  readonly args?: readonly string[];
  /** Environment variables in addition to those of this process; `undefined` removes one. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Time limit for a worker to become ready, in milliseconds. Default 30 000. */
  readonly readyTimeoutMs?: number;
  /** Time limit for a worker to end after it was stopped, in milliseconds. Default 10 000. */
  readonly graceMs?: number;
  /**
   * How long a ready worker may be unresponsive, in milliseconds. Its scheduler is pinged eight
   * times within that time. A worker that has not answered for that time (an endless loop, a call
   * that does not return, SIGSTOP) is killed and restarted, up to a quarter of the time later and
   * never earlier. The limit must exceed the longest computation without a yield. Default 30 000;
   * Infinity: workers are not checked. A worker with an open inspector is not killed.
   */
  readonly hangTimeoutMs?: number;
  /**
   * The restart limit: `workers` fails when workers had to be restarted more than `times` (default
   * 10) within `withinMs` milliseconds (default 60 000), and when more than `times` workers in a
   * row, in whatever time, ended before they were ready.
   */
  readonly restarts?: { readonly times?: number; readonly withinMs?: number };
  /** Called once, when all workers are ready. An exception stops the workers and is thrown. */
  onReady?(workers: Workers): void;
  /**
   * Called for each event. Default: a line on standard error for each event that was not requested.
   * An exception goes to `hooks.onUnhandled`.
   */
  onEvent?(event: WorkerEvent): void;
}

/** A change of the workers. */
export type WorkerEvent =
  | ({ readonly kind: 'started' | 'ready' } & WorkerIdentity)
  /** A worker has ended by itself. The next one starts after `restartMs`; absent: none does. */
  | ({
      readonly kind: 'ended';
      readonly exit: WorkerExit;
      readonly restartMs?: number | undefined;
    } & WorkerIdentity)
  /** A worker has not answered for `silentMs` and is killed; 'ended' follows. */
  | ({ readonly kind: 'hung'; readonly silentMs: number } & WorkerIdentity)
  | { readonly kind: 'reloading' | 'reloaded' }
  /** A new worker ended before it was ready, or was not ready in time; the old ones continue. */
  | ({ readonly kind: 'reload-failed'; readonly reason: string } & WorkerIdentity);

/** Running workers, as passed to `onReady`. */
export interface Workers {
  /** The bound addresses: one for each address in `listen`, with the actual port. */
  readonly addresses: readonly SocketAddress[];
  /**
   * The statistics of each worker, and totals. For a worker that does not answer within a second,
   * they are the last that were received.
   * Cancel: no effect.
   */
  stats(): Operation<WorkersStats>;
  /**
   * Replaces all workers, one after the other: a new one starts, and when it is ready the old one
   * drains. SIGHUP does the same. A call during a reload requests another one after it.
   */
  reload(): void;
  /** Drains all workers; then `workers` returns. */
  stop(): void;
}

/** More than a machine can use; it bounds the effect of a wrong number. */
const MAX_WORKERS = 1024;

const OPTION_KEYS = {
  listen: true,
  args: true,
  env: true,
  readyTimeoutMs: true,
  graceMs: true,
  hangTimeoutMs: true,
  restarts: true,
  onReady: true,
  onEvent: true,
} as const;

/**
 * Runs `module` (a path, or a URL such as `new URL('./server.mjs', import.meta.url)`) in `count`
 * processes; 'auto' means the number of available processors. Returns when all workers were
 * stopped: by SIGTERM or SIGINT under `main`, or by `workers.stop()`.
 *
 * The program of the module runs under `main`, which reports when it is ready. A worker that ends
 * by itself, or hangs and is killed, is restarted after 100 ms; the pause doubles with each failure
 * up to 10 s (1 s while no worker is ready), and starts at 100 ms again after a worker has run for
 * a minute. SIGHUP replaces all workers without refusing a connection, and stops them if it was
 * sent because the terminal was closed. A worker drains and ends when its supervisor ends.
 *
 * Cancel: cancels all workers, and kills those that have not ended after 2 s.
 * Errors: WorkerError (ERR_WORKER_START, ERR_WORKER_RESTARTS, ERR_WORKER_STOP); those of `listen`;
 * exceptions of `onReady`; ERR_UNSUPPORTED if processes cannot inherit listeners; TypeError,
 * RangeError for invalid arguments.
 *
 * @example
 * // cluster.mjs, run by `node cluster.mjs`
 * await main(() => workers('auto', new URL('./server.mjs', import.meta.url), { listen: 25000 }));
 * // server.mjs, which also runs alone
 * await main(() => tcpServer(25000, handler));
 */
export function workers(
  count: number | 'auto',
  module: string | { readonly href: string },
  options: WorkersOptions = {},
): Operation<void> {
  if (count !== 'auto') checkCount(count);
  const path = typeof module === 'string' ? module : checkedHref(module);
  checkOptions(options);
  return new Lazy(() => runWorkers(count, path, options));
}

function checkCount(count: number): void {
  if (typeof count === 'string') {
    throw outOfRange('count', `'auto' or a whole number from 1 to ${MAX_WORKERS}`, count);
  }
  checkInteger('count', count, 1, MAX_WORKERS);
}

function checkedHref(module: { readonly href: string }): string {
  if (typeof module?.href === 'string') return module.href;
  throw wrongType('module', 'a path or a URL', module);
}

function checkOptions(options: WorkersOptions): void {
  checkKeys('options', options, OPTION_KEYS);
  for (const address of addressesOf(options)) checkListenAddress(address);
  const { readyTimeoutMs, graceMs, hangTimeoutMs, restarts, args } = options;
  if (readyTimeoutMs !== undefined) checkDuration('readyTimeoutMs', readyTimeoutMs);
  if (graceMs !== undefined) checkDuration('graceMs', graceMs);
  checkLimit('hangTimeoutMs', hangTimeoutMs);
  if (args !== undefined && !Array.isArray(args)) throw wrongType('args', 'an array', args);
  if (restarts === undefined) return;
  checkKeys('restarts', restarts, { times: true, withinMs: true });
  if (restarts.times !== undefined) checkInteger('restarts.times', restarts.times, 0, 10_000);
  if (restarts.withinMs !== undefined) checkDuration('restarts.withinMs', restarts.withinMs);
}

function addressesOf({ listen }: WorkersOptions): readonly Address[] {
  if (listen === undefined) return [];
  return Array.isArray(listen) ? (listen as readonly Address[]) : [listen as Address];
}

function* runWorkers(
  wanted: number | 'auto',
  module: string,
  options: WorkersOptions,
): Generator<Wait, void> {
  yield* checkpoint();
  const { platform } = currentWorld();
  const count = wanted === 'auto' ? Math.min(platform.parallelism, MAX_WORKERS) : wanted;
  const listeners = yield* openListeners(addressesOf(options), count);
  try {
    const { times = 10, withinMs = 60_000 } = options.restarts ?? {};
    const supervisor = new Supervisor(platform, listeners.addresses, {
      count,
      readyTimeoutMs: options.readyTimeoutMs ?? 30_000,
      graceMs: options.graceMs ?? 10_000,
      hangTimeoutMs: options.hangTimeoutMs ?? 30_000,
      restarts: { times, withinMs },
      workerStart: (index) => workerStart(module, index, listeners.inheritedBy(index), options),
      onEvent: (event) => (options.onEvent ?? reportEvent)(event),
      closeListeners: () => listeners.close(),
    });
    yield* scope((own) => supervise(own, supervisor, options));
    if (supervisor.failed) throw supervisor.failure;
  } finally {
    listeners.close();
  }
}

/**
 * The worker inherits its own listeners, starting at 3, and after them the queues of the other
 * workers.
 */
function workerStart(
  module: string,
  slot: number,
  listeners: readonly WorkerListener[],
  { args = [], env = {} }: WorkersOptions,
): WorkerStart {
  const descriptors = listeners.map(({ fd }) => fd);
  const inherited = listeners.map(({ address, queues }, index) => {
    const others = queues.map((fd, at) => (at === slot ? null : 2 + descriptors.push(fd)));
    return others.length === 0 ? [address, 3 + index] : [address, 3 + index, others];
  });
  return {
    module,
    args,
    environment: {
      ...env,
      CORONET_WORKER: `${slot + 1}`,
      CORONET_LISTEN: inherited.length === 0 ? undefined : JSON.stringify(inherited),
    },
    descriptors,
  };
}

function* supervise(
  own: Scope,
  supervisor: Supervisor,
  options: WorkersOptions,
): Generator<Wait, void> {
  const { platform, program } = currentWorld();
  const removeSignalListener = platform.onSignal('SIGHUP', () => {
    if (platform.terminalLost?.() === true) supervisor.stop();
    else supervisor.reload();
  });
  try {
    yield* group(
      function* (tasks) {
        const daemon = { daemon: true };
        const stopWithScope = function* (): Generator<Wait, void> {
          yield* own.waitStopping();
          supervisor.stop();
        };
        tasks.spawn(stopWithScope, { name: 'stop', ...daemon });
        yield* supervisor.startAll();
        if (!supervisor.ending) {
          for (const restartLoop of supervisor.restartLoops()) {
            tasks.spawn(restartLoop, { name: 'restart', ...daemon });
          }
          tasks.spawn(() => supervisor.reloadLoop(), { name: 'reload', ...daemon });
          tasks.spawn(() => supervisor.killHungWorkers(), { name: 'liveness', ...daemon });
          program?.serverListens(supervisor.statsSource);
          callOnReady(supervisor, options);
        }
        yield* supervisor.notifier.waitUntil('the end of the workers', () => supervisor.ending);
        yield* supervisor.stopAll();
      },
      { name: 'workers' },
    );
  } finally {
    removeSignalListener();
    program?.serverEnds(supervisor.statsSource.address);
    if (supervisor.hasLive) yield* shield(() => supervisor.cutAll());
  }
}

function callOnReady(supervisor: Supervisor, options: WorkersOptions): void {
  try {
    const { scheduler } = runningTask();
    watchCallback(options.onReady?.(supervisor), (error) => scheduler.unhandled(error));
  } catch (error) {
    supervisor.fail(error);
  }
}

/** The default of `onEvent`. */
function reportEvent(event: WorkerEvent): void {
  const text = describeEvent(event);
  if (text !== undefined) currentWorld().platform.report(`coronet: ${text}`);
}

/** A description of an event that was not requested; `undefined` for the others. */
export function describeEvent(event: WorkerEvent): string | undefined {
  if (event.kind === 'ended') {
    const { exit, restartMs } = event;
    const next = restartMs === undefined ? '' : `; the next one starts in ${msText(restartMs)}`;
    return `${describeWorker(event)} ${describeExit(exit)}${next}`;
  }
  if (event.kind === 'hung') {
    return `${describeWorker(event)} has not responded for ${msText(event.silentMs)} and is killed`;
  }
  if (event.kind === 'reload-failed') {
    const { reason } = event;
    return `the reload was aborted: ${describeWorker(event)} ${reason}; the old workers continue`;
  }
  return undefined;
}

/** The listeners that the supervisor opens for its workers. */
export interface WorkerListeners {
  readonly addresses: readonly SocketAddress[];
  /** The listeners of the worker in a slot, from 0: one for each address. */
  inheritedBy(index: number): readonly WorkerListener[];
  close(): void;
}

/** The listener of a worker at an address. */
interface WorkerListener {
  readonly address: string;
  readonly fd: number;
  /** The descriptors of all workers at the address, by slot; empty: they share one queue. */
  readonly queues: readonly number[];
}

/** Opens listeners for `count` workers at each address: all or none. */
export function* openListeners(
  addresses: readonly Address[],
  count: number,
): Generator<Wait, WorkerListeners> {
  const opened: { readonly text: string; readonly listeners: SharedListeners }[] = [];
  const close = (): void => {
    for (const { listeners } of opened) listeners.close();
  };
  let complete = false;
  try {
    for (const address of addresses) opened.push(yield* openListenersAt(address, count));
    complete = true;
  } finally {
    if (!complete) close();
  }
  return {
    addresses: opened.map(({ listeners }) => new SocketAddress(listeners.local)),
    inheritedBy: (index) =>
      opened.map(({ text, listeners: { descriptors, separateQueues } }) => {
        const fd = descriptors[index % descriptors.length] as number;
        return { address: text, fd, queues: separateQueues === true ? descriptors : [] };
      }),
    close,
  };
}

function* openListenersAt(
  address: Address,
  count: number,
): Generator<Wait, { readonly text: string; readonly listeners: SharedListeners }> {
  const { platform } = currentWorld();
  const fd = inheritedFd(address);
  if (fd !== undefined) return { text: `fd:${fd}`, listeners: platform.shareInherited(fd) };
  const parsed = parseAddress(address);
  const listeners = yield* bindAt(parsed, function* (at) {
    return platform.shareListeners(at, count);
  });
  return { text: formatAddress(parsed), listeners };
}
