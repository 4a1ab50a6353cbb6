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
import type { TestBackend } from './backends.ts';

/** Any free port. */
export const LOOPBACK = '127.0.0.1:0';

/** The time limit of `eventually`. */
const LIMIT_MS = 20_000;

/** A connection that is not writable during several waits of this length is full. */
const FULL_WAIT_MS = 8;

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

/** Runs `body` on `backend` with both ends of a connection. */
export function onPair<T>(
  backend: TestBackend,
  body: (near: Socket, far: Socket) => Operation<T>,
): Promise<T> {
  return backend.run(() => withPair(body));
}

/** Runs `body` as a program with both ends of a connection. */
export function runWithPair<T>(
  body: (near: Socket, far: Socket) => Operation<T>,
  options?: RunOptions,
): Promise<T> {
  return runLimited(() => withPair(body), options);
}

/**
 * As withPair, over a Unix socket: its buffers have a fixed size, so a full connection stays full.
 * The buffers of TCP grow in the background.
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

/** As receiveAll, but adds each part to `parts` as soon as it is received. */
export function* collect(socket: Socket, parts: Buffer[], max = 65536): Operation<void> {
  for (;;) {
    const part = yield* socket.recv(max);
    if (part.length === 0) return;
    parts.push(part);
  }
}

/** Receives exactly `length` bytes. */
export function* receiveExactly(socket: Socket, length: number): Operation<Buffer> {
  const parts: Buffer[] = [];
  for (let left = length; left > 0; ) {
    const part = yield* socket.recv(left);
    if (part.length === 0) throw new Error(`The connection ended ${left} bytes early`);
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

/** Sends received bytes back until end of file. Does not close the socket. */
export function* echo(socket: Socket): Operation<void> {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    yield* socket.sendAll(data);
  }
}

/** Sends until the connection is full. Returns the number of bytes. */
export function* fill(socket: Socket): Operation<number> {
  const block = Buffer.alloc(65536, 'f');
  const before = socket.bytesSent;
  // The system moves bytes to the peer for a while, so the connection must stay full.
  for (let waits = 0; waits < 3; waits++) {
    while (socket.trySend(block) > 0) {
      waits = 0;
      yield* sleep(0);
    }
    yield* moveOnAfter(FULL_WAIT_MS, () => writable(socket));
  }
  return socket.bytesSent - before;
}

/** Every operation that sends, with one byte. */
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

/** An error that a test expects. */
export interface Failure extends Error {
  readonly code?: string;
  readonly bytesSent?: number;
}

/** Returns the error of `body`, which must fail. Rethrows the cancellation of an outer scope. */
export function* failure(body: () => Operation<unknown>): Operation<Failure> {
  let value: unknown;
  try {
    value = yield* body();
  } catch (error) {
    if (isCancelled(error)) throw error;
    return error as Failure;
  }
  throw new Error(`Expected a failure, got the result ${String(value)}`);
}

/** The code of the error of `body`, which must fail. */
export function* failureCode(body: () => Operation<unknown>): Operation<string | undefined> {
  return (yield* failure(body)).code;
}

/** Runs all bodies as tasks. Throws the first error itself, not a GroupError. */
export function* together(...bodies: readonly (() => Operation<unknown>)[]): Operation<void> {
  try {
    yield* group(function* (tasks): Operation<void> {
      for (const body of bodies) tasks.spawn(body);
    });
  } catch (error) {
    throw error instanceof GroupError ? error.errors[0] : error;
  }
}

/** Polls until `holds` returns true, for conditions that no operation waits for. */
export function* eventually(what: string, holds: () => boolean): Operation<void> {
  const limit = now() + LIMIT_MS;
  while (!holds()) {
    if (now() > limit) throw new Error(`Timed out: ${what}`);
    yield* sleep(1);
  }
}

/** Waits until `task` is waiting. Throws if it ends before. */
export function* untilWaiting(task: Task<unknown>): Operation<void> {
  yield* eventually(`'${task.name}' waits`, () => isBlocked(task));
}

function isBlocked({ state, name }: Task<unknown>): boolean {
  if (state === 'waiting') return true;
  if (state === 'ready' || state === 'running') return false;
  throw new Error(`Expected '${name}' to wait, but it has ended: ${state}`);
}

/** The user id of an account without privileges, on Debian and others. */
const UNPRIVILEGED_UID = 65534;

/** Runs `body` with the permissions of an ordinary user, also if the process runs as root. */
export function* withoutPrivilege(body: () => Operation<void>): Operation<void> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(UNPRIVILEGED_UID);
  try {
    yield* body();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}
