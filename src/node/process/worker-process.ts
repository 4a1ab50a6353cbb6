/**
 * Worker processes over node:child_process: the end of the parent and the end of the child.
 *
 * Two properties of Node's channel are handled here. It buffers messages without a limit if the
 * other process does not read (see Outbox). And it parses what the other process writes without a
 * guard against invalid input (see guardChannel).
 */
import type { ChildProcess } from 'node:child_process';
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
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from '../timers.ts';
import { warn } from '../warnings.ts';

/** Options of Node that concern only the program of the parent, or one process at a time. */
const OWN_OPTION = /^(?:--(?:inspect|eval|print|input-type|watch|test)\b|-(?:e|p|pe|i)$)/;

/** Starts `start.module` with the same Node. The channel follows the inherited descriptors. */
export function startWorker(start: WorkerStart, events: WorkerEvents): WorkerProcess {
  const { module, args = [], environment = {}, descriptors = [] } = start;
  const file = module.startsWith('file:') ? fileURLToPath(module) : module;
  const { spawn } = process.getBuiltinModule('node:child_process');
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

/**
 * Node throws some errors of the system (ENOMEM, E2BIG, …) and emits the others. All are reported
 * as events.
 */
function failedStart(error: Error, events: WorkerEvents): WorkerProcess {
  setImmediate(() => events.onExit({ code: null, signal: null, error }));
  return { pid: undefined, send: () => false, kill: () => {} };
}

/**
 * The options of this Node process that apply to every process. The value of an option is part of
 * it, or the next argument.
 */
export function sharedOptions(given: readonly string[] = process.execArgv): string[] {
  let isShared = true;
  return given.filter((argument) => {
    if (argument.startsWith('-')) isShared = !OWN_OPTION.test(argument);
    return isShared;
  });
}

/**
 * A channel ends with its process, unless a child of that process has inherited the descriptor.
 * After this time the exit is reported anyway.
 */
const DISCONNECT_TIMEOUT_MS = 1000;

class NodeWorker implements WorkerProcess {
  readonly pid: number | undefined;
  readonly #child: ChildProcess;
  readonly #events: WorkerEvents;
  readonly #channel: Outbox;
  /** `onExit` is called when the process has ended and its last message has arrived. */
  #exit: WorkerExit | null = null;
  #connected = true;
  #disconnectTimer: NodeJS.Timeout | undefined;
  #exitReported = false;
  #warned = false;

  constructor(child: ChildProcess, events: WorkerEvents) {
    this.pid = child.pid;
    this.#child = child;
    this.#events = events;
    this.#channel = new Outbox(child);
    child.on('message', (message) => {
      if (!this.#exitReported) events.onMessage(contentOf(message));
    });
    child.on('exit', (code, signal) => this.#ended({ code, signal }));
    child.on('disconnect', () => this.#disconnected());
    child.on('error', (error) => {
      if (child.pid !== undefined) return; // A message or a signal was not delivered.
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
    if (this.#exitReported || this.#exit === null) return;
    this.#exitReported = true;
    if (this.#child.connected) this.#child.disconnect();
    this.#events.onExit(this.#exit);
  }

  /** Warns once: the process may continue to write invalid messages. */
  #onInvalidMessage(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    const text = `The process ${this.pid} has written invalid data into its channel: `;
    warn(text + firstLine(error));
  }

  send(message: unknown): boolean {
    return this.#channel.send(message);
  }

  kill(signal: StopSignal | 'SIGHUP' | 'SIGKILL'): void {
    // Without a pid, Node would signal the whole process group of this process.
    if (this.pid !== undefined) this.#child.kill(signal);
  }
}

/** Either end of a channel. */
interface Channel {
  readonly connected?: boolean;
  send?(message: object, done: (error: Error | null) => void): boolean;
}

/**
 * Sends messages. Node buffers messages that the other end does not read, without a limit. When
 * `send` reports a full buffer, no message is added until all have been sent.
 */
class Outbox {
  readonly #channel: Channel;
  /** Messages in the buffer. */
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

/** Messages are wrapped in an object, because the channel does not accept `null` or `undefined`. */
function contentOf(message: unknown): unknown {
  return (message as { coronet?: unknown } | null)?.coronet;
}

let parent: ParentProcess | undefined;

/** The parent process; `undefined` if this process was not started with a channel. */
export function parentProcess(): ParentProcess | undefined {
  if (process.send === undefined) return undefined;
  parent ??= new NodeParent();
  return parent;
}

/** The channel is unreferenced, because its listeners would keep the process alive. */
class NodeParent implements ParentProcess {
  readonly #outbox = new Outbox(process as Channel);

  send(message: unknown): boolean {
    return this.#outbox.send(message);
  }

  onMessage(listener: (message: unknown) => void): () => void {
    const onMessage = (message: unknown): void => listener(contentOf(message));
    process.on('message', onMessage);
    process.channel?.unref();
    return () => void process.off('message', onMessage);
  }

  onDisconnect(listener: () => void): () => void {
    if (!process.connected) {
      const immediate = setImmediate(listener);
      return () => clearImmediate(immediate);
    }
    process.once('disconnect', listener);
    process.channel?.unref();
    return () => void process.off('disconnect', listener);
  }
}

/** Node's internal object for the pipe, under a private symbol since Node 12. */
interface ChannelHandle {
  onread?: ((...args: unknown[]) => unknown) | null;
}

/**
 * Prevents invalid data in the channel of `child` from ending this process.
 *
 * The channel is an ordinary descriptor in the child, so code that writes to a wrong descriptor
 * writes there. Node parses each line where no handler can catch an error, and handles messages of
 * its own protocol (`cmd: 'NODE_HANDLE_ACK'`) with assertions. Either would be an uncaught
 * exception here, and end all processes that are supervised.
 *
 * Calls `onInvalid` for invalid data; messages that arrive in the same read may be lost. If Node no
 * longer has the internal object, only the protocol messages are ignored. Handles are not sent in
 * either direction, so their messages are not needed.
 */
function guardChannel(child: ChildProcess, onInvalid: (error: unknown) => void): void {
  child.removeAllListeners('internalMessage');
  const handle = channelHandle(child);
  const read = handle?.onread;
  if (handle === undefined || typeof read !== 'function') return;
  handle.onread = function (...args): unknown {
    try {
      return Reflect.apply(read, this, args);
    } catch (error) {
      onInvalid(error);
      return undefined;
    }
  };
}

function channelHandle(child: ChildProcess): ChannelHandle | undefined {
  const symbols = Object.getOwnPropertySymbols(child);
  const symbol = symbols.find(({ description }) => description === 'kChannelHandle');
  if (symbol === undefined) return undefined;
  return (child as unknown as Readonly<Record<symbol, ChannelHandle>>)[symbol];
}
