/** `workers`: the same program in several processes, which are kept alive and replaced in order. */

import type { Operation, Wait } from '../../kernel/operation.ts';
import { Lazy } from '../../kernel/operation.ts';
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
  outOfRange,
  wrongType,
} from '../../support/checks.ts';
import type { Platform, SharedListeners, WorkerExit, WorkerStart } from '../../world/platform.ts';
import type { Limit } from '../options.ts';
import { checkLimit, numberOf } from '../options.ts';
import { describeExit, describeWorker } from './errors.ts';
import type { WorkersStats } from './stats.ts';
import { Supervisor } from './supervisor.ts';

/** What `workers` can be told. */
export interface WorkersOptions {
  /**
   * Where the workers listen. These listeners are opened here, before any worker starts, and stay
   * open until the end, so that no connection is refused or lost while a worker is replaced. A
   * worker that listens at one of these addresses, written in the same way, takes it over. Each
   * worker has a queue of its own where the system can do that.
   */
  readonly listen?: Address | readonly Address[];
  /** What stands behind the module on each worker's command line. */
  readonly args?: readonly string[];
  /** Variables of the workers' environment, beside those of this process; `undefined` takes one
   *  away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** How long a worker may take until it is ready, in milliseconds. Default 30 000. */
  readonly readyTimeoutMs?: number;
  /** How long a worker may take to end once it was asked to, in milliseconds. Default 10 000. */
  readonly graceMs?: number;
  /**
   * How long a worker that is ready may be silent, in milliseconds. Its scheduler is asked eight
   * times in that time whether it turns; one that has not answered for so long hangs (an endless
   * loop, a call that never returns, SIGSTOP) and is killed and started again, up to a quarter
   * later and never before. Longer than the longest computation that is meant. Default 30 000;
   * 'unlimited': nobody is asked. One with an open inspector is not judged.
   */
  readonly hangTimeoutMs?: Limit;
  /**
   * The restart limit: when workers had to be started again more than `times` (default 10) within
   * `withinMs` (default 60 000), the whole fails.
   */
  readonly restarts?: { readonly times?: number; readonly withinMs?: number };
  /** Called once, when all workers are ready. What it throws ends the whole. */
  onReady?(workers: Workers): void;
  /**
   * Called for what happens to the workers. Default: what nobody has asked for is told on standard
   * error, a line each. What it throws goes to `hooks.onUnhandled`.
   */
  onEvent?(event: WorkerEvent): void;
}

/** Something has happened to the workers. `worker` counts from 1. */
export type WorkerEvent =
  | {
      readonly kind: 'started' | 'ready';
      readonly worker: number;
      readonly pid?: number | undefined;
    }
  /** It has ended by itself; the next one starts after `restartMs`. Absent: that was the last. */
  | {
      readonly kind: 'ended';
      readonly worker: number;
      readonly pid?: number | undefined;
      readonly exit: WorkerExit;
      readonly restartMs?: number | undefined;
    }
  /** It has not answered for `silentMs` and is killed: 'ended' follows. */
  | {
      readonly kind: 'hung';
      readonly worker: number;
      readonly pid?: number | undefined;
      readonly silentMs: number;
    }
  | { readonly kind: 'reloading' | 'reloaded' }
  /** A new worker was not ready in time, or has ended before; those that are left serve on. */
  | {
      readonly kind: 'reload-failed';
      readonly worker: number;
      readonly pid?: number | undefined;
      readonly reason: string;
    };

/** Running workers, as `onReady` gets them. */
export interface Workers {
  /** Where they listen: one for each address in `listen`, with the real port. */
  readonly addresses: readonly SocketAddress[];
  /**
   * The figures of each worker and their sums. Those of a worker that does not answer within a
   * second are the last that it told.
   * Cancel: nothing has happened.
   */
  stats(): Operation<WorkersStats>;
  /**
   * Replaces all workers, one after the other: a new one begins, and when it is ready the old one
   * drains. SIGHUP does the same. During a reload it asks for one more.
   */
  reload(): void;
  /** Drains all workers; `workers` returns then. */
  stop(): void;
}

/** More than a machine has use for; it bounds what a wrong number starts. */
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
 * processes; 'auto': as many as the machine can run at the same time. Returns when all of them were
 * stopped: by SIGTERM or SIGINT under `main`, or by `workers.stop()`.
 *
 * The module's program runs under `main`, and is ready when `main` says so. A worker that ends by
 * itself, or hangs and is killed, is followed by a new one, after 100 ms, and up to 10 s if that
 * goes on; a minute of health begins anew. SIGHUP replaces all of them without refusing a
 * connection. A worker whose supervisor dies drains and ends.
 *
 * Cancel: all workers are cancelled and, after 2 s, killed; then Cancelled goes on.
 * Errors: WorkerError (ERR_WORKER_START, ERR_WORKER_RESTARTS, ERR_WORKER_STOP); those of listening;
 * what `onReady` throws; ERR_UNSUPPORTED where processes cannot inherit listeners; TypeError,
 * RangeError.
 *
 * @example
 * // cluster.mjs: `node cluster.mjs`
 * await main(() => workers('auto', new URL('./server.mjs', import.meta.url), { listen: 25000 }));
 * // server.mjs: works alone as well
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
  const held = yield* openListeners(addressesOf(options), count);
  try {
    const { times = 10, withinMs = 60_000 } = options.restarts ?? {};
    const supervisor = new Supervisor(platform, held.addresses, {
      count,
      readyTimeoutMs: options.readyTimeoutMs ?? 30_000,
      graceMs: options.graceMs ?? 10_000,
      hangTimeoutMs: numberOf(options.hangTimeoutMs, 30_000),
      restarts: { times, withinMs },
      workerStart: (place) => workerStart(module, place, held.inheritedBy(place), options),
      onEvent: (event) => (options.onEvent ?? eventReporter(platform))(event),
      closeListeners: () => held.close(),
    });
    yield* scope((own) => supervise(own, supervisor, options));
    if (supervisor.failed) throw supervisor.failure;
  } finally {
    held.close();
  }
}

/** The listeners come first among the descriptors, from 3 on: see `WorkerStart`. */
function workerStart(
  module: string,
  place: number,
  listeners: readonly (readonly [address: string, fd: number])[],
  { args = [], env = {} }: WorkersOptions,
): WorkerStart {
  const inherited = listeners.map(([address], index) => [address, 3 + index]);
  return {
    module,
    args,
    environment: {
      ...env,
      CORONET_WORKER: `${place + 1}`,
      CORONET_LISTEN: inherited.length === 0 ? undefined : JSON.stringify(inherited),
    },
    descriptors: listeners.map(([, fd]) => fd),
  };
}

function* supervise(
  own: Scope,
  supervisor: Supervisor,
  options: WorkersOptions,
): Generator<Wait, void> {
  const { platform, program } = currentWorld();
  const forget = platform.onSignal('SIGHUP', () => supervisor.reload());
  try {
    yield* group(
      function* (tasks) {
        const daemon = { daemon: true };
        tasks.spawn(() => stopWithScope(own, supervisor), { name: 'stop', ...daemon });
        yield* supervisor.startAll();
        if (!supervisor.ending) {
          for (const keep of supervisor.restartLoops())
            tasks.spawn(keep, { name: 'keeper', ...daemon });
          tasks.spawn(() => supervisor.reloadLoop(), { name: 'reloads', ...daemon });
          tasks.spawn(() => supervisor.killHungWorkers(), { name: 'watch', ...daemon });
          program?.serverListens(supervisor.statsSource);
          callOnReady(supervisor, options);
        }
        yield* supervisor.notifier.waitUntil('the end of the workers', () => supervisor.ending);
        yield* supervisor.stopAll();
      },
      { name: 'workers' },
    );
  } finally {
    forget();
    program?.serverEnds(supervisor.statsSource.address);
    if (supervisor.hasLive) yield* shield(() => supervisor.cutAll());
  }
}

function* stopWithScope(own: Scope, supervisor: Supervisor): Generator<Wait, void> {
  yield* own.waitStopping();
  supervisor.stop();
}

function callOnReady(supervisor: Supervisor, options: WorkersOptions): void {
  try {
    options.onReady?.(supervisor);
  } catch (error) {
    supervisor.fail(error);
  }
}

/** The default of `onEvent`. */
function eventReporter(platform: Platform): (event: WorkerEvent) => void {
  return (event) => {
    const text = describeEvent(event);
    if (text !== undefined) platform.report(`coronet: ${text}`);
  };
}

/** What nobody has asked for, in words; `undefined` for the rest. */
export function describeEvent(event: WorkerEvent): string | undefined {
  if (event.kind === 'ended') {
    const { restartMs } = event;
    const next = restartMs === undefined ? '' : `; the next one starts in ${restartMs} ms`;
    return `${describeWorker({ ...event, pid: event.pid })} ${describeExit(event.exit)}${next}`;
  }
  if (event.kind === 'hung') {
    const who = describeWorker({ ...event, pid: event.pid });
    return `${who} hangs: it has not answered for ${event.silentMs} ms, and is killed`;
  }
  if (event.kind === 'reload-failed') {
    const who = describeWorker({ ...event, pid: event.pid });
    return `the reload was given up: ${who} ${event.reason}; the workers before it serve on`;
  }
  return undefined;
}

/** The listeners that a supervisor holds for its workers. */

export interface WorkerListeners {
  readonly addresses: readonly SocketAddress[];
  /** What the worker at a place (from 0) inherits: each address as a text, and its descriptor. */
  inheritedBy(place: number): readonly (readonly [address: string, fd: number])[];
  close(): void;
}

/** Opens listeners for `count` workers at each address: all or none. */
export function* openListeners(
  addresses: readonly Address[],
  count: number,
): Generator<Wait, WorkerListeners> {
  const held: { readonly text: string; readonly listeners: SharedListeners }[] = [];
  const close = (): void => {
    for (const { listeners } of held) listeners.close();
  };
  let complete = false;
  try {
    for (const address of addresses) held.push(yield* openListenersAt(address, count));
    complete = true;
  } finally {
    if (!complete) close();
  }
  return {
    addresses: held.map(({ listeners }) => new SocketAddress(listeners.local)),
    inheritedBy: (place) =>
      held.map(({ text, listeners }) => [text, descriptorFor(listeners, place)] as const),
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

function descriptorFor({ descriptors }: SharedListeners, place: number): number {
  return descriptors[place % descriptors.length] as number;
}
