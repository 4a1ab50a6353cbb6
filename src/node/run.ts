/** `run`: creates a scheduler, a host and a network for one operation, and closes them after it. */
import { programStarts } from '../kernel/current.ts';
import { enterDebug } from '../kernel/debug.ts';
import { leftOpenError } from '../kernel/errors.ts';
import type { Hooks } from '../kernel/hooks.ts';
import { checkHooks } from '../kernel/hooks.ts';
import type { OperationSource } from '../kernel/operation.ts';
import { checkSource } from '../kernel/operation.ts';
import { Scheduler } from '../kernel/scheduler.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { runOutcome } from '../kernel/task/task.ts';
import { onAbort } from '../support/abort-listeners.ts';
import type { Keys } from '../support/checks.ts';
import { checkKeys } from '../support/checks.ts';
import type { Network, NetworkOwner } from '../world/network.ts';
import type { Platform } from '../world/platform.ts';
import type { Program, RuntimeWorld } from '../world/world.ts';
import type { BackendChoice } from './backend.ts';
import { decideBackend, warnOfFallback } from './backend.ts';
import { NodeHost } from './host.ts';
import { nodePlatform } from './platform.ts';
import { setImmediate } from './timers.ts';

/**
 * Rounds of the event loop that a run waits for closed connections to send their last bytes. TLS
 * takes two or three, unless the peer does not read.
 */
const LAST_ROUNDS = 8;

/** A clock: monotonic milliseconds, fractional, from any fixed origin. */
export interface Clock {
  now(): number;
}

/** Options of `run`. */
export interface RunOptions {
  /** Aborting it cancels the main task, and `run` rejects with its reason. */
  readonly signal?: AbortSignal;
  /**
   * 'epoll', 'portable', 'auto', or a function that creates a network. Default: CORONET_BACKEND, or
   * else 'auto'.
   */
  readonly backend?: BackendChoice | ((owner: NetworkOwner) => Network);
  readonly clock?: Clock;
  /** Returns numbers in [0, 1), for jitter and fair choices. Default Math.random. */
  readonly random?: () => number;
  /** The name of the main task. Default 'main'. */
  readonly name?: string;
  readonly hooks?: Hooks;
  /** Debug mode. Default: true if the environment variable CORONET_DEBUG is '1'. */
  readonly debug?: boolean;
  /**
   * Set by `main`. Signals may then wake the program at any time, so no state is a deadlock.
   * @internal
   */
  readonly program?: Program;
}

/** The options that programs may pass. */
export const RUN_KEYS: Keys<Omit<RunOptions, 'program'>> = {
  signal: true,
  backend: true,
  clock: true,
  random: true,
  name: true,
  hooks: true,
  debug: true,
};

/**
 * Runs `op` as the main task and returns a promise of its result. Never throws synchronously, and
 * steps no task before it has returned. Settles when every task has finished and every resource of
 * the run is closed; resources that the program left open are closed and listed in a warning. Keeps
 * the process alive while tasks are unfinished.
 *
 * Rejects with the error of `op`, unwrapped; with the reason of `signal` if that cancelled it; with
 * DeadlockError (ERR_DEADLOCK) if no task can ever run again; with a TypeError
 * (ERR_INVALID_ARG_TYPE) for an unknown option.
 */
export function run<T>(op: OperationSource<T>, options: RunOptions = {}): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    checkSource(op);
    const { program: _, ...checked } = options;
    checkKeys('options', checked, RUN_KEYS);
    checkHooks(options.hooks);
    new Run<T>(options, resolve, reject).begin(op);
  });
}

class Run<T> {
  readonly #options: RunOptions;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  readonly #host: NodeHost;
  readonly #scheduler: Scheduler;
  #main: TaskImpl<T> | null = null;
  #leaveDebug: (() => void) | null = null;
  #programEnds: () => void = () => {};
  /** The last task has finished. */
  #ending = false;
  #removeAbortListener: () => void = () => {};
  readonly #onAbort = (): void => this.#main?.cancel(this.#options.signal?.reason);

  constructor(options: RunOptions, resolve: (value: T) => void, reject: (error: unknown) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    const { clock, random, hooks, backend, signal, program } = options;
    const now = clock === undefined ? undefined : () => clock.now();
    this.#host = new NodeHost({ now, random, ended: () => this.#end() });
    this.#host.heldExternally = program !== undefined || signal !== undefined;
    const world = new NodeWorld(this.#host, backend, program);
    const debug = options.debug ?? process.env['CORONET_DEBUG'] === '1';
    if (debug) this.#leaveDebug = enterDebug();
    this.#scheduler = new Scheduler({ host: this.#host, world, hooks, debug });
  }

  begin(op: OperationSource<T>): void {
    const { signal, name } = this.#options;
    this.#host.drive(this.#scheduler);
    this.#programEnds = programStarts(this.#scheduler);
    this.#main = this.#scheduler.start(op, name);
    if (signal === undefined) return;
    if (signal.aborted) this.#onAbort();
    else this.#removeAbortListener = onAbort(signal, this.#onAbort);
  }

  /** May be called again during the last rounds. */
  #end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#waitForLastBytes(LAST_ROUNDS);
  }

  #waitForLastBytes(left: number): void {
    const closing = this.#host.network?.closing ?? 0;
    if (closing > 0 && left > 0) setImmediate(() => this.#waitForLastBytes(left - 1));
    else this.#close();
  }

  #close(): void {
    this.#removeAbortListener();
    this.#programEnds();
    try {
      this.#closeNetwork();
    } catch (error) {
      this.#host.warn(error); // the result of the program does not depend on it
    }
    this.#scheduler.undriven.end();
    this.#host.close();
    this.#leaveDebug?.();
    this.#settle(this.#main as TaskImpl<T>);
  }

  #closeNetwork(): void {
    const { network } = this.#host;
    if (network === null) return;
    const open = network.open();
    if (open.length > 0) this.#host.warn(leftOpenError(this.#main?.name ?? '', open));
    network.close();
  }

  #settle(main: TaskImpl<T>): void {
    const conclusion = runOutcome(main, this.#options.signal);
    if ('error' in conclusion) this.#reject(conclusion.error);
    else this.#resolve(conclusion.value);
  }
}

/** Warns of a fallback when the program uses the network. */
function selectedBackend(choice: BackendChoice | undefined): (owner: NetworkOwner) => Network {
  const decision = decideBackend(choice);
  return (owner) => {
    warnOfFallback(decision);
    return decision.make(owner);
  };
}

class NodeWorld implements RuntimeWorld {
  readonly platform: Platform = nodePlatform;
  readonly program: Program | undefined;
  readonly #host: NodeHost;
  readonly #make: (owner: NetworkOwner) => Network;

  constructor(host: NodeHost, choice: RunOptions['backend'], program: Program | undefined) {
    this.program = program;
    this.#host = host;
    this.#make = typeof choice === 'function' ? choice : selectedBackend(choice);
  }

  get network(): Network {
    this.#host.network ??= this.#make(this.#host);
    return this.#host.network;
  }

  get networkInUse(): Network | null {
    return this.#host.network;
  }
}
