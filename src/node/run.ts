/** `run`: a scheduler, a host in Node's loop and a network, for as long as one operation takes. */

import { enterDebug } from '../kernel/debug.ts';
import { CoronetError } from '../kernel/errors.ts';
import type { Hooks } from '../kernel/hooks.ts';
import type { OperationSource } from '../kernel/operation.ts';
import { checkSource } from '../kernel/operation.ts';
import { Scheduler } from '../kernel/scheduler.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { runOutcome } from '../kernel/task/task.ts';
import type { Network, NetworkOwner } from '../world/network.ts';
import type { Platform } from '../world/platform.ts';
import type { Program, RuntimeWorld } from '../world/world.ts';
import type { Backend, BackendChoice } from './backend.ts';
import { decideBackend, makeNetwork } from './backend.ts';
import { NodeHost } from './host.ts';
import { nodePlatform } from './platform.ts';

/** So many rounds of the event loop a run lasts longer for closed connections to be rid of their
 *  last bytes: TLS takes two or three, unless the peer does not read. */
const LAST_ROUNDS = 8;

/** Where time comes from: monotonic milliseconds, fractional, from any fixed origin. */
export interface Clock {
  now(): number;
}

/** What `run` can be told. */
export interface RunOptions {
  /** Aborting it cancels the main task; `run` rejects with its reason. */
  readonly signal?: AbortSignal;
  /** 'epoll', 'portable', 'auto', or a function that makes a network of your own. */
  readonly backend?: BackendChoice | ((owner: NetworkOwner) => Network);
  readonly clock?: Clock;
  /** Gives numbers in [0, 1): for jitter and fair choices. */
  readonly random?: () => number;
  /** The name of the main task. */
  readonly name?: string;
  readonly hooks?: Hooks;
  /** Debug mode; default: whether the environment variable CORONET_DEBUG is '1'. */
  readonly debug?: boolean;
  /** What `main` runs: then signals may always wake it, so nothing is a deadlock. @internal */
  readonly program?: Program;
}

/**
 * Runs `op` as the main task and gives a promise of its result. Never throws synchronously, and
 * steps no task before it has returned. Settles when every task has finished and everything that
 * the run opened has been closed; what the program left open is closed and named in a warning.
 * Keeps the process alive while tasks are unfinished, and not longer.
 *
 * Rejects with the main operation's own error, unwrapped; with the reason of `signal` if that
 * cancelled it; with DeadlockError (ERR_DEADLOCK) when nothing can ever run again.
 */
export function run<T>(op: OperationSource<T>, options: RunOptions = {}): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    checkSource(op);
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
  /** The last task has finished. */
  #ending = false;
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
    if (debug) this.#leaveDebug = enterDebug((problem) => this.#host.warn(problem));
    this.#scheduler = new Scheduler({ host: this.#host, world, hooks, debug });
  }

  begin(op: OperationSource<T>): void {
    const { signal, name } = this.#options;
    this.#host.drive(this.#scheduler);
    this.#main = this.#scheduler.start(op, name);
    if (signal === undefined) return;
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** May be called again while the last rounds pass. */
  #end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#lastRounds(LAST_ROUNDS);
  }

  #lastRounds(left: number): void {
    const closing = this.#host.network?.closing ?? 0;
    if (closing > 0 && left > 0) setImmediate(() => this.#lastRounds(left - 1));
    else this.#close();
  }

  #close(): void {
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#closeNetwork();
    this.#host.close();
    this.#leaveDebug?.();
    this.#settle(this.#main as TaskImpl<T>);
  }

  #closeNetwork(): void {
    const { network } = this.#host;
    if (network === null) return;
    const open = network.open();
    if (open.length > 0) this.#host.warn(leakError(this.#main?.name ?? '', open));
    network.close();
  }

  #settle(main: TaskImpl<T>): void {
    const conclusion = runOutcome(main, this.#options.signal);
    if ('error' in conclusion) this.#reject(conclusion.error);
    else this.#resolve(conclusion.value);
  }
}

class NodeWorld implements RuntimeWorld {
  readonly platform: Platform = nodePlatform;
  readonly program: Program | undefined;
  readonly #host: NodeHost;
  readonly #make: (owner: NetworkOwner) => Network;

  constructor(host: NodeHost, choice: RunOptions['backend'], program: Program | undefined) {
    this.program = program;
    this.#host = host;
    if (typeof choice === 'function') {
      this.#make = choice;
      return;
    }
    const backend: Backend = decideBackend(choice).backend;
    this.#make = (owner) => makeNetwork(backend, owner);
  }

  get network(): Network {
    this.#host.network ??= this.#make(this.#host);
    return this.#host.network;
  }
}

function leakError(name: string, open: readonly string[]): CoronetError {
  const list = open.slice(0, 10).join(', ');
  const more = open.length > 10 ? ` and ${open.length - 10} more` : '';
  const text = `Run '${name}' left open, and closed now: ${list}${more}`;
  return new CoronetError('ERR_LEFT_OPEN', text);
}
