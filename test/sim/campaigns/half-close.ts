/** Both ends send, shut down, read and close in all orders: bytes sent before an end arrive. */
import type { Operation, Socket } from 'coronet';
import { all, connect, isCancelled, listen, moveOnAfter, sleep } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { check, codeOf, HOSTILE, LOSSY, Random } from './support.ts';

/** A reset can be lost. Then a peer that only reads would wait indefinitely. */
const MAX_WAIT_MS = 2_000_000;

/** One end of the connection, and a record of what it did. */
class End {
  readonly name: string;
  readonly #random: Random;
  /** True: it may read everything before it sends. Only one end may, or both would wait. */
  readonly #mayWait: boolean;
  readonly sent: Buffer[] = [];
  readonly received: Buffer[] = [];
  /** True: it has shut down sending without an error before. */
  finished = false;
  sawEnd = false;
  /** True: it has closed with unread input, or reset: the peer may lose bytes. */
  aborted = false;
  error = '';

  constructor(name: string, random: Random, mayWait: boolean) {
    this.name = name;
    this.#random = random;
    this.#mayWait = mayWait;
  }

  *use(socket: Socket): Operation<void> {
    const random = this.#random;
    try {
      const variant = random.integer(0, 2);
      if (variant === 0) yield* this.#sendAndReceive(socket);
      else yield* this.#oneAfterTheOther(socket, variant === 1 || !this.#mayWait);
    } catch (error) {
      if (isCancelled(error)) throw error;
      this.error = codeOf(error);
      check(this.error === 'ECONNRESET' || this.error === 'EPIPE', `${this.name}: ${error}`);
    } finally {
      if (!this.sawEnd) this.aborted = true;
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

  *#sendAndReceive(socket: Socket): Operation<void> {
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
    const random = this.#random;
    for (let i = random.integer(0, 4); i > 0; i--) {
      const data = random.bytes(random.integer(1, 3000));
      yield* socket.sendAll(data);
      this.sent.push(data);
      if (random.happens(0.4)) yield* sleep(random.integer(0, 30));
    }
    socket.shutdown('send');
    this.finished = true;
  }

  *#receive(socket: Socket): Operation<void> {
    const random = this.#random;
    const leavesEarly = random.happens(0.15);
    for (;;) {
      const data = yield* socket.recv(random.pick([100, 65536]));
      if (data.length === 0) break;
      this.received.push(data);
      if (leavesEarly) return;
      if (random.happens(0.2)) yield* sleep(random.integer(0, 30));
    }
    this.sawEnd = true;
  }
}

/** Checks that `to` has received a prefix of the bytes of `from`, or all if it saw the end. */
function compare(from: End, to: End): void {
  const sent = Buffer.concat(from.sent);
  const received = Buffer.concat(to.received);
  const isLonger = from.error === '' && sent.length < received.length;
  check(!isLonger, `${to.name} received more than ${from.name} sent`);
  if (from.error === '') {
    check(received.equals(sent.subarray(0, received.length)), `${to.name} received wrong bytes`);
  }
  if (!to.sawEnd) return;
  check(from.finished || from.error !== '', `${to.name} saw an end that ${from.name} did not send`);
  if (from.finished) {
    check(received.length === sent.length, `${to.name} saw the end before the last byte`);
  }
}

function* inAllOrders(world: World): Operation<void> {
  const random = new Random(world);
  const near = new End('near', random, false);
  const far = new End('far', random, true);
  world.host('far', function* () {
    using listener = yield* listen(80);
    const socket = yield* listener.accept();
    yield* moveOnAfter(MAX_WAIT_MS, () => far.use(socket));
  });
  const socket = yield* connect('far:80');
  yield* moveOnAfter(MAX_WAIT_MS, () => near.use(socket));
  yield* sleep(MAX_WAIT_MS);
  compare(near, far);
  compare(far, near);
  if (near.sawEnd && far.sawEnd) {
    check(
      near.error === '' && far.error === '',
      `An orderly end failed: ${near.error}${far.error}`,
    );
  }
  if (!near.aborted && !far.aborted) check(near.sawEnd && far.sawEnd, 'An end was not seen');
}

export const halfClose: Campaign = {
  name: 'half-close',
  shows: 'bytes that are sent before an end arrive before it, in every order of ends',
  scenario: inAllOrders,
  options: { faults: HOSTILE, link: LOSSY, maxVirtualMs: 10_000_000 },
};
