/**
 * The sockets, locks and channels of a program. There is no register of them, which would cost
 * something for each; they are found through the waits of the tasks, through the locks and permits
 * that tasks hold, and in the network. A channel for which no task waits is therefore not found.
 */
import { Channel } from '../flow/channel.ts';
import { Lock } from '../flow/lock.ts';
import { Semaphore } from '../flow/semaphore.ts';
import { Readiness } from '../kernel/readiness.ts';
import type { Scheduler } from '../kernel/scheduler.ts';
import type { TaskImpl } from '../kernel/task/task.ts';
import { taskTitle } from '../support/checks.ts';
import type { Endpoint, ListenerTransport, Network } from '../world/network.ts';
import type { RuntimeWorld } from '../world/world.ts';
import { safeText } from './text.ts';

/** The most entries of each list. */
export const MAX_ENTRIES = 20;

/** An open listener. */
export interface ListenerView {
  /** "127.0.0.1:25000", or a path. */
  readonly address: string;
  /** Connections that wait to be accepted; absent: not known. */
  readonly queued?: number;
  /** Connections that were reset because the queue was full; absent: the system does not report. */
  readonly overflowed?: number;
}

/** The wait of a task for a socket. */
export interface SocketWait {
  readonly direction: 'recv' | 'send';
  readonly address: string;
  readonly waitingMs: number;
  /** "task 7 'writer'". */
  readonly task: string;
}

/** The sockets of the program. */
export interface SocketsView {
  /** Open connections, listeners and datagram sockets. */
  readonly connections: number;
  readonly listeners: number;
  readonly datagrams: number;
  /** Connections and datagram sockets for which a task waits to receive, and to send. */
  readonly receiving: number;
  readonly sending: number;
  /** The longest of these waits, the longest first. */
  readonly longest: readonly SocketWait[];
}

/** A lock or a semaphore that is held or waited for. */
export interface LockView {
  /** "lock 'db'", "semaphore 'slots'". */
  readonly name: string;
  /** Tasks that hold it: "task 7 'writer'". */
  readonly holders: readonly string[];
  /** The number of tasks that wait for it. */
  readonly waiters: number;
}

/** A channel for which a task waits. */
export interface ChannelView {
  readonly name: string;
  /** Items in the buffer. */
  readonly size: number;
  /** The most items in the buffer; null: no limit. */
  readonly capacity: number | null;
  /** The numbers of tasks that wait to send and to receive. */
  readonly senders: number;
  readonly receivers: number;
}

/** The resources of a program. Each list has 20 entries at most. */
export interface ResourceViews {
  readonly listeners: readonly ListenerView[];
  readonly sockets: SocketsView;
  /** In the order of their waiters, the most first. */
  readonly locks: readonly LockView[];
  readonly channels: readonly ChannelView[];
  /** Entries of these lists that were left out. */
  readonly omitted: number;
}

/** Looks at each task once. */
export function viewResources(scheduler: Scheduler, tasks: readonly TaskImpl[]): ResourceViews {
  const found = new Finder(scheduler.readingMs);
  for (const task of tasks) found.look(task);
  const network = networkOf(scheduler);
  const listeners = [...(network?.openListeners?.() ?? [])];
  const locks = [...found.locks].sort((a, b) => b.waiters.size - a.waiters.size);
  const channels = [...found.channels].sort((a, b) => waitersOf(b) - waitersOf(a));
  const { transports = 0, listeners: open = 0, datagrams = 0 } = network?.counters() ?? {};
  const lists = [listeners, locks, channels];
  return {
    listeners: listeners.slice(0, MAX_ENTRIES).map(viewListener),
    sockets: {
      connections: transports,
      listeners: open,
      datagrams,
      receiving: found.receiving,
      sending: found.sending,
      longest: found.longest.map(viewSocketWait),
    },
    locks: locks.slice(0, MAX_ENTRIES).map(viewLock),
    channels: channels.slice(0, MAX_ENTRIES).map(viewChannel),
    omitted: lists.reduce((sum, { length }) => sum + Math.max(0, length - MAX_ENTRIES), 0),
  };
}

/** The network, unless the program has not used it. */
function networkOf({ world }: Scheduler): Network | null {
  const { networkInUse, network } = (world ?? {}) as Partial<RuntimeWorld>;
  return networkInUse === undefined ? (network ?? null) : networkInUse;
}

interface FoundWait {
  readonly task: TaskImpl;
  readonly direction: 'recv' | 'send';
  readonly readiness: Readiness;
  readonly waitingMs: number;
}

class Finder {
  readonly locks = new Set<Lock | Semaphore>();
  readonly channels = new Set<Channel<unknown>>();
  receiving = 0;
  sending = 0;
  /** The longest waits first, MAX_ENTRIES at most. */
  readonly longest: FoundWait[] = [];
  readonly #readingMs: number;

  constructor(readingMs: number) {
    this.#readingMs = readingMs;
  }

  look(task: TaskImpl): void {
    for (let held = task.joiners?.first; held; held = held.nextInQueue) this.#add(held.resources());
    if (task.state !== 'waiting' || task.wait === undefined) return;
    const { wait } = task; // without destructuring the array, which takes an iterator
    if (wait[0] === 'park') this.#lookAtParking(task, wait[1].resources());
    else if (wait[0] !== 'sleep') this.#addSocket(task, wait[1].readiness, wait[0]);
  }

  /** The cases of a select are among them. */
  #lookAtParking(task: TaskImpl, resources: readonly object[]): void {
    this.#add(resources);
    for (const each of resources) {
      if (!(each instanceof Readiness)) continue;
      this.#addSocket(task, each, each.recvWaiter === null ? 'send' : 'recv');
    }
  }

  #add(resources: readonly object[]): void {
    for (const each of resources) {
      if (each instanceof Lock || each instanceof Semaphore) this.locks.add(each);
      else if (each instanceof Channel) this.channels.add(each);
    }
  }

  #addSocket(task: TaskImpl, readiness: Readiness, direction: 'recv' | 'send'): void {
    if ('tryAccept' in readiness) return;
    if (direction === 'recv') this.receiving++;
    else this.sending++;
    const waitingMs = task.waitedMs(this.#readingMs);
    const { longest } = this;
    const last = longest[longest.length - 1];
    if (longest.length === MAX_ENTRIES && last !== undefined && last.waitingMs >= waitingMs) return;
    const at = longest.findIndex((other) => other.waitingMs < waitingMs);
    const wait = { task, direction, readiness, waitingMs };
    longest.splice(at < 0 ? longest.length : at, 0, wait);
    if (longest.length > MAX_ENTRIES) longest.pop();
  }
}

function viewListener({ local, queued, overflowed }: ListenerTransport): ListenerView {
  return {
    address: safeText(() => addressOf(local)),
    ...(queued === undefined ? {} : { queued }),
    ...(overflowed === undefined ? {} : { overflowed }),
  };
}

function addressOf(endpoint: Endpoint): string {
  if ('path' in endpoint) return endpoint.path;
  const { host, port, family } = endpoint;
  return family === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

function viewSocketWait({ task, direction, readiness, waitingMs }: FoundWait): SocketWait {
  const address = safeText(() => readiness.describe());
  return { direction, address, waitingMs, task: safeText(() => taskTitle(task)) };
}

function viewLock(lock: Lock | Semaphore): LockView {
  const { name } = lock;
  const kind = lock instanceof Lock ? 'lock' : 'semaphore';
  const holders = lock.holders().slice(0, MAX_ENTRIES);
  return {
    name: safeText(() => (name === '' ? kind : `${kind} '${name}'`)),
    holders: holders.map((task) => safeText(() => taskTitle(task))),
    waiters: lock.waiters.size,
  };
}

function waitersOf({ senders, receivers }: Channel<unknown>): number {
  return senders.size + receivers.size;
}

function viewChannel(channel: Channel<unknown>): ChannelView {
  const { capacity, size, senders, receivers } = channel;
  return {
    name: safeText(() => channel.title),
    size,
    capacity: capacity === Infinity ? null : capacity,
    senders: senders.size,
    receivers: receivers.size,
  };
}
