/**
 * `natsBroker`: a NATS server for simulations: subjects, queue groups, headers and the report of
 * missing responders. It has no accounts, no TLS and no clusters.
 */
import { runningTask } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { group } from '../../kernel/task/group.ts';
import type { Address } from '../../net/address.ts';
import type { Socket } from '../../net/tcp/socket.ts';
import { tcpServer } from '../../server/serve.ts';
import { checkPattern, checkSubject, SubjectTree } from '../subject.ts';
import { Outgoing } from './outgoing.ts';
import type { Command } from './protocol.ts';
import { encodeMessage, MAX_PAYLOAD, NO_RESPONDERS, readCommand, violation } from './protocol.ts';

/** A client that lets more bytes wait is disconnected: max_pending of nats-server. */
const MAX_PENDING_BYTES = 2 ** 26;

/**
 * Serves NATS clients at `address` until it is cancelled: the server of `natsTopics` in a
 * simulation, where it is a host that can be partitioned, crashed and restarted. Programs outside
 * of simulations use nats-server.
 *
 * Cancel: closes the listener and all connections. Errors: those of `tcpServer`.
 *
 * @example
 * world.host('broker', () => natsBroker(4222));
 * using topics = yield* natsTopics({ servers: 'broker:4222' });
 */
export function natsBroker(address: Address): Operation<void> {
  const subscriptions = new SubjectTree<Subscription>();
  return tcpServer(address, (socket) => new Client(socket, subscriptions).serve(), {
    firstByteTimeoutMs: Infinity,
    idleTimeoutMs: Infinity,
    onError: ignore,
  });
}

/** The connections of clients fail when they crash. */
function ignore(): void {}

interface Subscription {
  readonly client: Client;
  readonly id: string;
  readonly pattern: string;
  readonly queue: string | undefined;
}

class Client {
  readonly #socket: Socket;
  readonly #all: SubjectTree<Subscription>;
  readonly #own = new Map<string, Subscription>();
  readonly #outgoing = new Outgoing();

  constructor(socket: Socket, all: SubjectTree<Subscription>) {
    this.#socket = socket;
    this.#all = all;
  }

  *serve(): Generator<Wait, void> {
    const info = { server_id: 'SIMULATED', version: '2.9.0', proto: 1, headers: true };
    this.#outgoing.push(`INFO ${JSON.stringify({ ...info, max_payload: MAX_PAYLOAD })} \r\n`);
    try {
      yield* group((tasks) => {
        tasks.spawn(() => this.#outgoing.sendAll(this.#socket), { name: 'sender', daemon: true });
        return this.#receiveAll();
      });
    } finally {
      for (const id of [...this.#own.keys()]) this.#unsubscribe(id);
    }
  }

  *#receiveAll(): Generator<Wait, void> {
    const reader = this.#socket.reader();
    for (;;) {
      const command = yield* readCommand(reader);
      if (command === null) return;
      this.#process(command);
    }
  }

  #process(command: Command): void {
    const { verb, args } = command;
    if (verb === 'PING') this.#outgoing.push('PONG\r\n');
    else if (verb === 'SUB') this.#subscribe(args);
    else if (verb === 'UNSUB') this.#unsubscribe(args[0] ?? '');
    else if (verb === 'PUB' || verb === 'HPUB') this.#publish(command);
    else if (verb !== 'CONNECT' && verb !== 'PONG') throw violation(verb);
  }

  #subscribe(args: readonly string[]): void {
    const [pattern, queue] = args.length === 3 ? args : [args[0], undefined];
    const id = args.at(-1) ?? '';
    checkPattern('pattern', pattern);
    const subscription = { client: this, id, pattern, queue };
    this.#own.set(id, subscription);
    this.#all.add(pattern, subscription);
  }

  #unsubscribe(id: string): void {
    const subscription = this.#own.get(id);
    if (subscription === undefined) return;
    this.#own.delete(id);
    this.#all.delete(subscription.pattern, subscription);
  }

  #publish({ args: [subject, reply], headers, data }: Command): void {
    checkSubject('subject', subject);
    const receivers = receiversOf(this.#all.match(subject));
    const suffix = reply === undefined ? '' : ` ${reply}`;
    for (const { client, id } of receivers) {
      client.#deliver(encodeMessage('MSG', `${subject} ${id}${suffix}`, headers, data));
    }
    if (receivers.length === 0 && reply !== undefined) this.#reportNoResponders(reply);
  }

  #reportNoResponders(inbox: string): void {
    for (const { client, id } of this.#all.match(inbox)) {
      if (client !== this) continue;
      const message = encodeMessage('MSG', `${inbox} ${id}`, NO_RESPONDERS, Buffer.alloc(0));
      this.#deliver(message);
    }
  }

  #deliver(message: Buffer): void {
    if (this.#outgoing.bytes + message.length > MAX_PENDING_BYTES) this.#socket.reset();
    else this.#outgoing.push(message);
  }
}

/** Every subscription without a queue group, and a random one of each group. */
function receiversOf(matching: readonly Subscription[]): Subscription[] {
  const found = matching.filter(({ queue }) => queue === undefined);
  const queues = new Set(matching.map(({ queue }) => queue));
  for (const queue of queues) {
    if (queue === undefined) continue;
    const members = matching.filter((member) => member.queue === queue);
    const index = Math.floor(runningTask().scheduler.host.random() * members.length);
    found.push(members[index] as Subscription);
  }
  return found;
}
