/** Helpers for tests with sockets: connected pairs, common exchanges, expected failures. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Address, Operation, RunOptions, Socket, Task } from '../../src/index.ts';
import {
  connect,
  GroupError,
  group,
  isCancelled,
  listen,
  moveOnAfter,
  now,
  run,
  sleep,
  timeout,
  writable,
} from '../../src/index.ts';

/** Any free port. */
export const LOOPBACK = '127.0.0.1:0';

/** As long as anything may take that happens by itself. */
const PATIENCE_MS = 20_000;

/** A connection that is not writable for a few times as long is full. */
const SILENCE_MS = 8;

// ---- connections ----

/** Runs `body` with both ends of a connection, and closes them. */
export function* withPair<T>(
  body: (near: Socket, far: Socket) => Operation<T>,
  address: Address = LOOPBACK,
): Operation<T> {
  const listener = yield* listen(address);
  const sockets: Socket[] = [];
  try {
    const near = yield* connect(listener.address);
    sockets.push(near);
    const far = yield* listener.accept();
    sockets.push(far);
    listener.close();
    return yield* body(near, far);
  } finally {
    for (const socket of sockets) socket.close();
    listener.close();
  }
}

/** Runs `body` as a program with both ends of a connection. */
export function runWithPair<T>(
  body: (near: Socket, far: Socket) => Operation<T>,
  options?: RunOptions,
): Promise<T> {
  return runLimited(() => withPair(body), options);
}

/**
 * As withPair, on a connection that is full for good once it is full: the buffers of a Unix socket
 * do not grow, those of TCP move and grow while nobody looks.
 */
export function withTightPair<T>(body: (near: Socket, far: Socket) => Operation<T>): Operation<T> {
  tightPairs++;
  return withPair(body, { path: join(tmpdir(), `coronet-${process.pid}-${tightPairs}.sock`) });
}

let tightPairs = 0;

/** Runs `body` with the ends of `count` connections, and closes them. */
export function* withPairs<T>(
  count: number,
  body: (near: readonly Socket[], far: readonly Socket[]) => Operation<T>,
): Operation<T> {
  const listener = yield* listen(LOOPBACK);
  const near: Socket[] = [];
  const far: Socket[] = [];
  try {
    for (let i = 0; i < count; i++) {
      near.push(yield* connect(listener.address));
      far.push(yield* listener.accept());
    }
    listener.close();
    return yield* body(near, far);
  } finally {
    for (const socket of [...near, ...far]) socket.close();
    listener.close();
  }
}

/** Everything up to the end of file. */
export function* receiveAll(socket: Socket, max = 65536): Operation<Buffer> {
  const parts: Buffer[] = [];
  yield* collect(socket, parts, max);
  return Buffer.concat(parts);
}

/** Everything up to the end of file, as a string. */
export function* receiveText(socket: Socket): Operation<string> {
  return String(yield* receiveAll(socket));
}

/** As receiveAll; each part is in `parts` from the moment in which it was received. */
export function* collect(socket: Socket, parts: Buffer[], max = 65536): Operation<void> {
  for (;;) {
    const part = yield* socket.recv(max);
    if (part.length === 0) return;
    parts.push(part);
  }
}

/** The next `length` bytes. */
export function* receiveExactly(socket: Socket, length: number): Operation<Buffer> {
  const parts: Buffer[] = [];
  for (let left = length; left > 0; ) {
    const part = yield* socket.recv(left);
    if (part.length === 0) throw new Error(`The connection ended ${left} bytes too early`);
    parts.push(part);
    left -= part.length;
  }
  return Buffer.concat(parts);
}

/** Sends `data` in pieces of `length` bytes, lets other tasks run after each, and shuts down. */
export function* sendInPieces(socket: Socket, data: Buffer, length = 1000): Operation<void> {
  for (let at = 0; at < data.length; at += length) {
    yield* socket.sendAll(data.subarray(at, at + length));
    yield;
  }
  socket.shutdown('send');
}

/** Sends `text` to an echo server and expects it back. */
export function* exchange(socket: Socket, text = 'x'): Operation<void> {
  yield* socket.sendAll(text);
  expect(String(yield* receiveExactly(socket, text.length))).toBe(text);
}

/** The outcome of one receive: 'bytes', 'end of file' or the code of the error. */
export function* endOf(socket: Socket): Operation<string> {
  try {
    return (yield* socket.recv()).length === 0 ? 'end of file' : 'bytes';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** Sends back what comes until the peer has finished. */
export function* echo(socket: Socket): Operation<void> {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    yield* socket.sendAll(data);
  }
}

/** Sends until the connection takes nothing more, and says how much that was. */
export function* fill(socket: Socket): Operation<number> {
  const block = Buffer.alloc(65536, 'f');
  const before = socket.bytesSent;
  // Bytes move on to the peer for a while: full is what is full after some silence, too.
  for (let silences = 0; silences < 3; silences++) {
    while (socket.trySend(block) > 0) {
      silences = 0;
      yield* sleep(0);
    }
    yield* moveOnAfter(SILENCE_MS, () => writable(socket));
  }
  return socket.bytesSent - before;
}

/** One byte, in each of the ways to send it. */
export function sendsOf(socket: Socket): (() => Operation<unknown>)[] {
  return [
    () => socket.send('x'),
    () => socket.sendAll('x'),
    () => socket.sendv([Buffer.from('x')]),
    function* (): Operation<number> {
      return socket.trySend('x');
    },
  ];
}

// ---- tasks ----

/** As `run`, for at most eight seconds. */
export function runLimited<T>(op: () => Operation<T>, options?: RunOptions): Promise<T> {
  return run(() => timeout(8000, op), options);
}

/** What a program is expected to fail with. */
export interface Failure extends Error {
  readonly code?: string;
  readonly bytesSent?: number;
}

/** The error of `body`, which must fail. A cancellation from outside goes through. */
export function* failure(body: () => Operation<unknown>): Operation<Failure> {
  let value: unknown;
  try {
    value = yield* body();
  } catch (error) {
    if (isCancelled(error)) throw error;
    return error as Failure;
  }
  throw new Error(`Expected a failure, got the value ${String(value)}`);
}

/** The code of the error of `body`, which must fail. */
export function* failureCode(body: () => Operation<unknown>): Operation<string | undefined> {
  return (yield* failure(body)).code;
}

/** Runs all bodies at once; the first failure leaves as it is. */
export function* together(...bodies: readonly (() => Operation<unknown>)[]): Operation<void> {
  try {
    yield* group(function* (tasks): Operation<void> {
      for (const body of bodies) tasks.spawn(body);
    });
  } catch (error) {
    throw error instanceof GroupError ? error.errors[0] : error;
  }
}

/** Waits until `holds` is true of something that no operation tells. */
export function* eventually(what: string, holds: () => boolean): Operation<void> {
  const limit = now() + PATIENCE_MS;
  while (!holds()) {
    if (now() > limit) throw new Error(`Waited in vain until ${what}`);
    yield* sleep(1);
  }
}

/** Waits until `task` waits; it must not end before. */
export function* untilWaiting(task: Task<unknown>): Operation<void> {
  yield* eventually(`'${task.name}' waits`, () => isBlocked(task));
}

function isBlocked({ state, name }: Task<unknown>): boolean {
  if (state === 'waiting') return true;
  if (state === 'ready' || state === 'running') return false;
  throw new Error(`Expected '${name}' to wait, but it has ended: ${state}`);
}

const NOBODY = 65534;

/**
 * Runs `body` as a user who is refused what users are refused; only the superuser has to change.
 */
export function* withoutPrivilege(body: () => Operation<void>): Operation<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    yield* body();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}
