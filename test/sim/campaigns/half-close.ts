/** Both ends send, finish, read and close in all orders: what was sent before the end arrives. */
import type { Operation, Socket } from 'coronet';
import { all, connect, isCancelled, listen, moveOnAfter, sleep } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { Chance, codeOf, HOSTILE, LOSSY, must } from './support.ts';

/** A reset can get lost; who only reads waits for ever then. */
const PATIENCE_MS = 2_000_000;

/** One end of the connection, and what it knows. */
class End {
  readonly name: string;
  readonly #chance: Chance;
  /** It may read all that the other end sends before it sends itself. Only one end may. */
  readonly #mayWait: boolean;
  readonly sent: Buffer[] = [];
  readonly received: Buffer[] = [];
  /** It has shut the sending side before anything else has ended it. */
  finished = false;
  sawEnd = false;
  /** It has closed with input unread, or reset: the peer may lose what it has not received. */
  hard = false;
  error = '';

  constructor(name: string, chance: Chance, mayWait: boolean) {
    this.name = name;
    this.#chance = chance;
    this.#mayWait = mayWait;
  }

  *use(socket: Socket): Operation<void> {
    const chance = this.#chance;
    try {
      const way = chance.integer(0, 2);
      if (way === 0) yield* this.#bothAtOnce(socket);
      else yield* this.#oneAfterTheOther(socket, way === 1 || !this.#mayWait);
    } catch (error) {
      if (isCancelled(error)) throw error;
      this.error = codeOf(error);
      must(this.error === 'ECONNRESET' || this.error === 'EPIPE', `${this.name}: ${error}`);
    } finally {
      if (!this.sawEnd) this.hard = true;
      socket.close();
    }
  }

  *#oneAfterTheOther(socket: Socket, sendsFirst: boolean): Operation<void> {
    if (sendsFirst) {
      yield* this.#send(socket);
      yield* this.#receive(socket);
    } else {
      yield* this.#receive(socket);
      yield* this.#send(socket);
    }
  }

  *#bothAtOnce(socket: Socket): Operation<void> {
    const problems: unknown[] = [];
    const attempt = (op: () => Operation<void>) =>
      function* (): Operation<void> {
        try {
          yield* op();
        } catch (error) {
          if (isCancelled(error)) throw error;
          problems.push(error);
        }
      };
    const both = [attempt(() => this.#send(socket)), attempt(() => this.#receive(socket))];
    yield* all(both);
    if (problems.length > 0) throw problems[0];
  }

  *#send(socket: Socket): Operation<void> {
    const chance = this.#chance;
    for (let i = chance.integer(0, 4); i > 0; i--) {
      const data = chance.bytes(chance.integer(1, 3000));
      yield* socket.sendAll(data);
      this.sent.push(data);
      if (chance.strikes(0.4)) yield* sleep(chance.integer(0, 30));
    }
    socket.shutdown('send');
    this.finished = true;
  }

  *#receive(socket: Socket): Operation<void> {
    const chance = this.#chance;
    const leavesEarly = chance.strikes(0.15);
    for (;;) {
      const data = yield* socket.recv(chance.pick([100, 65536]));
      if (data.length === 0) break;
      this.received.push(data);
      if (leavesEarly) return;
      if (chance.strikes(0.2)) yield* sleep(chance.integer(0, 30));
    }
    this.sawEnd = true;
  }
}

/** What `to` has received is the beginning of what `from` has sent, or all of it. */
function compare(from: End, to: End): void {
  const sent = Buffer.concat(from.sent);
  const received = Buffer.concat(to.received);
  const all = from.error === '' && sent.length < received.length ? 0 : received.length;
  must(all === received.length, `${to.name} received more than ${from.name} sent`);
  if (from.error === '') {
    must(received.equals(sent.subarray(0, received.length)), `${to.name} received other bytes`);
  }
  if (!to.sawEnd) return;
  must(from.finished || from.error !== '', `${to.name} saw an end that ${from.name} did not send`);
  if (from.finished) {
    must(received.length === sent.length, `${to.name} saw the end before the last byte`);
  }
}

function* inAllOrders(world: World): Operation<void> {
  const chance = new Chance(world);
  const near = new End('near', chance, false);
  const far = new End('far', chance, true);
  world.host('far', function* () {
    using listener = yield* listen(80);
    const socket = yield* listener.accept();
    yield* moveOnAfter(PATIENCE_MS, () => far.use(socket));
  });
  const socket = yield* connect('far:80');
  yield* moveOnAfter(PATIENCE_MS, () => near.use(socket));
  yield* sleep(PATIENCE_MS);
  compare(near, far);
  compare(far, near);
  if (near.sawEnd && far.sawEnd) {
    must(near.error === '' && far.error === '', `An orderly end failed: ${near.error}${far.error}`);
  }
  if (!near.hard && !far.hard) must(near.sawEnd && far.sawEnd, 'An end was not seen');
}

export const halfClose: Campaign = {
  name: 'half-close',
  shows: 'whatever the order of ends, what was sent before an end arrives before it',
  scenario: inAllOrders,
  options: { faults: HOSTILE, link: LOSSY, maxVirtualMs: 10_000_000 },
};
