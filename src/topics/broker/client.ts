/**
 * The NATS client in a simulation: the npm package cannot run on virtual time. A task of its own
 * connects, receives, sends and connects again until `close()`.
 */
import { runningTask } from '../../kernel/current.ts';
import type { Wait } from '../../kernel/operation.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import { timeout } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { TaskImpl } from '../../kernel/task/task.ts';
import { sleep } from '../../kernel/waits.ts';
import { connect } from '../../net/tcp/connect.ts';
import type { Socket } from '../../net/tcp/socket.ts';
import type {
  BrokerEngine,
  BrokerEvents,
  BrokerLink,
  BrokerMessage,
  BrokerOptions,
  BrokerSubscriber,
} from '../../world/broker.ts';
import { Outgoing } from './outgoing.ts';
import type { Command } from './protocol.ts';
import {
  decodeHeaders,
  encodeHeaders,
  encodeMessage,
  MAX_PAYLOAD,
  NO_RESPONDERS,
  readCommand,
  violation,
} from './protocol.ts';

type Done = Parameters<BrokerEngine['connect']>[2];

/** The engine of simulations. */
export const simulatedEngine: BrokerEngine = {
  connect(options, events, done) {
    const client = new SimulatedClient(options, events);
    client.start(done);
    return () => client.close();
  },
};

interface Subscription {
  readonly line: string;
  readonly subscriber: BrokerSubscriber;
}

class SimulatedClient implements BrokerLink {
  readonly maxBytes = MAX_PAYLOAD;
  readonly #options: BrokerOptions;
  readonly #events: BrokerEvents;
  readonly #subscriptions = new Map<string, Subscription>();
  #lastId = 0;
  /** The callbacks of the pings that have no pong yet, the oldest first. */
  #pings: ((ok: boolean) => void)[] = [];
  #outgoing = new Outgoing();
  #task: TaskImpl | null = null;

  constructor(options: BrokerOptions, events: BrokerEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** Starts the task. It is not a member of a group: `close()` ends it. */
  start(done: Done): void {
    const { scheduler } = runningTask();
    const options = { group: null, name: 'nats client', daemon: true };
    this.#task = new TaskImpl<unknown>(scheduler, () => this.#runGuarded(done), options);
    scheduler.admit(this.#task);
  }

  close(): void {
    this.#task?.cancel();
  }

  // ---- the contract of BrokerLink ----

  publish({ subject, data, headers, reply }: BrokerMessage): void {
    const head = reply === undefined ? subject : `${subject} ${reply}`;
    this.#outgoing.push(encodeMessage('PUB', head, encodeHeaders(headers), data));
  }

  subscribe(pattern: string, queue: string | undefined, subscriber: BrokerSubscriber): () => void {
    const id = String(++this.#lastId);
    const line = `SUB ${pattern} ${queue === undefined ? '' : `${queue} `}${id}\r\n`;
    this.#subscriptions.set(id, { line, subscriber });
    this.#outgoing.push(line);
    return () => {
      if (this.#subscriptions.delete(id)) this.#outgoing.push(`UNSUB ${id}\r\n`);
    };
  }

  ping(done: (ok: boolean) => void): void {
    this.#pings.push(done);
    this.#outgoing.push('PING\r\n');
  }

  // ---- the task ----

  /** No task joins this one, so the topics receive its error. */
  *#runGuarded(done: Done): Generator<Wait, void> {
    try {
      yield* this.#run(done);
    } catch (error) {
      if (isCancelled(error)) throw error;
      this.#events.closed(error);
    }
  }

  *#run(done: Done): Generator<Wait, void> {
    for (let isFirst = true; ; isFirst = false) {
      const socket = yield* this.#connect(isFirst ? 1 : Infinity);
      if (socket instanceof Error) return done(socket, null);
      this.#outgoing = new Outgoing();
      for (const { line } of this.#subscriptions.values()) this.#outgoing.push(line);
      if (isFirst) done(null, this);
      else this.#events.reconnected();
      yield* this.#useUntilLost(socket);
      this.#events.disconnected();
    }
  }

  /** Tries each server, `rounds` times. Returns the last error if none can be reached. */
  *#connect(rounds: number): Generator<Wait, Socket | Error> {
    const { servers, timeoutMs = 5000, reconnectDelayMs = 500 } = this.#options;
    let failure = new Error('no server');
    for (let round = 1; round <= rounds; round++) {
      for (const server of [servers].flat()) {
        try {
          return yield* timeout(timeoutMs, () => openConnection(server));
        } catch (error) {
          if (isCancelled(error)) throw error;
          failure = error as Error;
        }
      }
      const jitter = 0.5 + runningTask().scheduler.host.random();
      if (round < rounds) yield* sleep(reconnectDelayMs * jitter);
    }
    return failure;
  }

  *#useUntilLost(socket: Socket): Generator<Wait, void> {
    try {
      yield* group((tasks) => {
        tasks.spawn(() => this.#outgoing.sendAll(socket), { name: 'sender', daemon: true });
        tasks.spawn(() => this.#sendPings(), { name: 'pings', daemon: true });
        return this.#receiveAll(socket);
      });
    } catch (error) {
      if (isCancelled(error)) throw error;
    } finally {
      socket.close();
      for (const done of this.#pings.splice(0)) done(false);
    }
  }

  *#receiveAll(socket: Socket): Generator<Wait, void> {
    for (;;) {
      const command = yield* readCommand(socket.reader());
      if (command === null) return;
      this.#process(command);
    }
  }

  #process(command: Command): void {
    const { verb } = command;
    if (verb === 'PING') this.#outgoing.push('PONG\r\n');
    else if (verb === 'PONG') this.#pings.shift()?.(true);
    else if (verb === 'MSG' || verb === 'HMSG') this.#deliver(command);
    else if (verb === '-ERR') throw violation(command.rest);
  }

  #deliver({ args: [subject = '', id = '', reply], headers, data }: Command): void {
    const noResponders = headers.equals(NO_RESPONDERS);
    // A copy: the bytes are a part of the buffer of the reader.
    const message = { subject, data: Buffer.from(data), headers: decodeHeaders(headers), reply };
    this.#subscriptions.get(id)?.subscriber.onMessage(message, noResponders);
  }

  /** Ends the connection when the server has not answered two pings. */
  *#sendPings(): Generator<Wait, never> {
    const { pingIntervalMs = 5000 } = this.#options;
    for (let unanswered = 0; ; unanswered++) {
      yield* sleep(pingIntervalMs);
      if (unanswered === 2) throw violation('no answer to two pings');
      this.ping((ok) => {
        if (ok) unanswered = -1;
      });
    }
  }
}

/** Connects, and completes the handshake of the protocol. */
function* openConnection(server: string): Generator<Wait, Socket> {
  const socket = yield* connect(server.replace(/^\w+:\/\//, ''));
  let isOpen = false;
  try {
    const options = { verbose: false, headers: true, no_responders: true, protocol: 1 };
    yield* socket.sendAll(`CONNECT ${JSON.stringify(options)}\r\nPING\r\n`);
    while (!isOpen) {
      const command = yield* readCommand(socket.reader());
      if (command === null || command.verb === '-ERR') throw violation('rejected by the server');
      isOpen = command.verb === 'PONG';
    }
    return socket;
  } finally {
    if (!isOpen) socket.close();
  }
}
