/** Processes that run the same runtime, over node:child_process: the parent's end and a child's. */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { firstLine } from '../../support/checks.ts';
import type {
  ParentProcess,
  StopSignal,
  WorkerEvents,
  WorkerExit,
  WorkerProcess,
  WorkerStart,
} from '../../world/platform.ts';

/** Options of Node that are about the parent's own program, or about one process at a time. */
const OWN_OPTION = /^(?:--(?:inspect|eval|print|input-type|watch|test)\b|-(?:e|p|pe|i)$)/;

/** Starts `start.module` with the same Node. Descriptors come first, then the channel. */
export function startWorker(start: WorkerStart, events: WorkerEvents): WorkerProcess {
  const { module, args = [], environment = {}, descriptors = [] } = start;
  const file = module.startsWith('file:') ? fileURLToPath(module) : module;
  try {
    const child = spawn(process.execPath, [...sharedOptions(), file, ...args], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'inherit', 'inherit', ...descriptors, 'ipc'],
    });
    return new NodeWorker(child, events);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall !== 'spawn') throw error;
    return failedStart(error as Error, events);
  }
}

/** Some of what the system may answer (ENOMEM, E2BIG, …) Node throws; the rest are events. */
function failedStart(error: Error, events: WorkerEvents): WorkerProcess {
  setImmediate(() => events.onExit({ code: null, signal: null, error }));
  return { pid: undefined, send: () => false, kill: () => {} };
}

/**
 * What `node` was told on its command line, as far as it concerns every process. The value of an
 * option is a part of it, or stands behind it.
 */
export function sharedOptions(given: readonly string[] = process.execArgv): string[] {
  let isShared = true;
  return given.filter((argument) => {
    if (argument.startsWith('-')) isShared = !OWN_OPTION.test(argument);
    return isShared;
  });
}

/**
 * A channel ends with its process, unless a process that this one has started has the descriptor as
 * well. Nobody waits for that longer than this.
 */
const DISCONNECT_TIMEOUT_MS = 1000;

class NodeWorker implements WorkerProcess {
  readonly pid: number | undefined;
  readonly #child: ChildProcess;
  readonly #events: WorkerEvents;
  readonly #channel: Outbox;
  /** What has to come before `onExit`: the end of the process, and the last message from it. */
  #exit: WorkerExit | null = null;
  #connected = true;
  #disconnectTimer: NodeJS.Timeout | undefined;
  #isOver = false;
  #warned = false;

  constructor(child: ChildProcess, events: WorkerEvents) {
    this.pid = child.pid;
    this.#child = child;
    this.#events = events;
    this.#channel = new Outbox(child);
    child.on('message', (message) => {
      if (!this.#isOver) events.onMessage(contentOf(message));
    });
    child.on('exit', (code, signal) => this.#ended({ code, signal }));
    child.on('disconnect', () => this.#disconnected());
    child.on('error', (error) => {
      if (child.pid !== undefined) return; // A message or a signal that did not reach it.
      this.#exit ??= { code: null, signal: null, error };
      this.#disconnected();
    });
    guardChannel(child, (error) => this.#onInvalidMessage(error));
  }

  #ended(exit: WorkerExit): void {
    this.#exit ??= exit;
    if (!this.#connected) return this.#reportExit();
    this.#disconnectTimer = setTimeout(() => this.#disconnected(), DISCONNECT_TIMEOUT_MS);
  }

  #disconnected(): void {
    this.#connected = false;
    clearTimeout(this.#disconnectTimer);
    this.#reportExit();
  }

  #reportExit(): void {
    if (this.#isOver || this.#exit === null) return;
    this.#isOver = true;
    if (this.#child.connected) this.#child.disconnect();
    this.#events.onExit(this.#exit);
  }

  /** Told once: a process may go on like that. */
  #onInvalidMessage(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    const text = `The process ${this.pid} has written into its channel what is no message: `;
    process.emitWarning(text + firstLine(error));
  }

  send(message: unknown): boolean {
    return this.#channel.send(message);
  }

  kill(signal: StopSignal | 'SIGHUP' | 'SIGKILL'): void {
    // A process that never began has no number, and Node would signal the whole group of ours.
    if (this.pid !== undefined) this.#child.kill(signal);
  }
}

/** Either end of a channel. */
interface Channel {
  readonly connected?: boolean;
  send?(message: object, done: (error: Error | null) => void): boolean;
}

/**
 * Messages on their way out. Node keeps what the other end does not take, without a bound; so once
 * it says that much is waiting, nothing is added until all of it has gone.
 */
class Outbox {
  readonly #channel: Channel;
  /** Messages that have not left. */
  #waiting = 0;
  #full = false;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  send(message: unknown): boolean {
    const channel = this.#channel;
    if (this.#full || channel.connected !== true) return false;
    this.#waiting++;
    const taken = channel.send?.({ coronet: message }, () => {
      this.#waiting--;
      if (this.#waiting === 0) this.#full = false;
    });
    if (taken === false) this.#full = true;
    return true;
  }
}

/** Messages travel in an object, since the channel takes no bare `null` or `undefined`. */
function contentOf(message: unknown): unknown {
  return (message as { coronet?: unknown } | null)?.coronet;
}

let parent: ParentProcess | undefined;

/** The process at the other end of the channel; `undefined` without one. */
export function parentProcess(): ParentProcess | undefined {
  if (process.send === undefined) return undefined;
  parent ??= new NodeParent();
  return parent;
}

/** Nothing here keeps the process alive: listeners would if the channel were not told otherwise. */
class NodeParent implements ParentProcess {
  readonly #outbox = new Outbox(process as Channel);

  send(message: unknown): boolean {
    return this.#outbox.send(message);
  }

  onMessage(heard: (message: unknown) => void): () => void {
    const listener = (message: unknown): void => heard(contentOf(message));
    process.on('message', listener);
    process.channel?.unref();
    return () => {
      process.off('message', listener);
    };
  }

  onDisconnect(heard: () => void): () => void {
    if (!process.connected) {
      const immediate = setImmediate(heard);
      return () => clearImmediate(immediate);
    }
    process.once('disconnect', heard);
    process.channel?.unref();
    return () => {
      process.off('disconnect', heard);
    };
  }
}

/**
 * Keeps what a process writes into its channel from ending the one that has started it.
 *
 * The channel is a descriptor like any other one of that process, so code that writes to a wrong
 * number writes there. Node parses each line where nothing can catch what that throws, and it
 * answers messages of its own protocol (`cmd: 'NODE_HANDLE_ACK'`) with assertions: either would be
 * an uncaught exception here, and with it the end of all processes that are looked after.
 */

/** The end of the pipe: Node's own object, under a symbol of its own since Node 12. */
interface ChannelHandle {
  onread?: ((...args: unknown[]) => unknown) | null;
}

/**
 * Calls `rubbish` for what is no message; what came with it in one piece may be lost. Where Node
 * has no such object any more, everything is as it was. Handles are not sent here in either
 * direction, so nobody misses the messages about them.
 */
export function guardChannel(child: ChildProcess, rubbish: (error: unknown) => void): void {
  child.removeAllListeners('internalMessage');
  const handle = channelHandle(child);
  const read = handle?.onread;
  if (handle === undefined || typeof read !== 'function') return;
  handle.onread = function (...args): unknown {
    try {
      return Reflect.apply(read, this, args);
    } catch (error) {
      rubbish(error);
      return undefined;
    }
  };
}

function channelHandle(child: ChildProcess): ChannelHandle | undefined {
  const symbol = Object.getOwnPropertySymbols(child).find(({ description }) => {
    return description === 'kChannelHandle';
  });
  if (symbol === undefined) return undefined;
  return (child as unknown as Readonly<Record<symbol, ChannelHandle>>)[symbol];
}
