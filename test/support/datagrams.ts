/** Helpers for tests with datagram sockets. */
import { networkInterfaces } from 'node:os';
import type { Address, Datagram, Operation, ReceivedDatagram, Wait } from '../../src/index.ts';
import { bindDatagram, moveOnAfter } from '../../src/index.ts';
import type { TestBackend } from './backends.ts';
import { LOOPBACK } from './sockets.ts';

/** True if the loopback interface of this machine has an IPv6 address. */
export const hasIpv6: boolean = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);

/**
 * After three timeouts in a row every datagram on loopback was received or dropped. One timeout
 * proves nothing: a delayed process handles its timers before its sockets.
 */
const TIMEOUTS = 3;
const TIMEOUT_MS = 10;

/** Runs `body` with two sockets, and closes them. */
export function* withTwo<T>(
  body: (near: Datagram, far: Datagram) => Operation<T>,
  address: Address = LOOPBACK,
): Operation<T> {
  using near = yield* bindDatagram(address);
  using far = yield* bindDatagram(address);
  return yield* body(near, far);
}

/** Runs `body` on `backend` with two sockets. */
export function onTwo<T>(
  backend: TestBackend,
  body: (near: Datagram, far: Datagram) => Operation<T>,
): Promise<T> {
  return backend.run(() => withTwo(body));
}

/** Sends every datagram back to its sender. */
export function* echoDatagrams(socket: Datagram): Operation<void> {
  for (;;) {
    const { data, from } = yield* socket.recvFrom();
    yield* socket.sendTo(data, from);
  }
}

/** Receives datagrams until none arrives for a while. */
export function* receiveDatagrams(socket: Datagram): Operation<ReceivedDatagram[]> {
  const all: ReceivedDatagram[] = [];
  for (let timeouts = 0; timeouts < TIMEOUTS; timeouts++) {
    const next = yield* moveOnAfter(TIMEOUT_MS, () => socket.recvFrom());
    if (next === undefined) continue;
    all.push(next);
    timeouts = -1;
  }
  return all;
}

/** Receives with a bare yield and an attempt, as the classic teaching program does. */
export function* rawReceive(socket: Datagram): Operation<ReceivedDatagram> {
  for (;;) {
    const wait: Wait = ['recv', socket];
    yield wait;
    const received = socket.tryRecvFrom();
    if (received !== undefined) return received;
  }
}

/** Sends with a bare yield and an attempt. */
export function* rawSend(socket: Datagram, data: string, to: Address): Operation<void> {
  for (;;) {
    const wait: Wait = ['send', socket];
    yield wait;
    if (socket.trySendTo(data, to)) return;
  }
}

/** An operation that makes a plain call. */
export function asOperation(call: () => unknown): () => Operation<unknown> {
  return function* (): Operation<unknown> {
    return call();
  };
}

/** Every use that a closed socket must reject. */
export function usesOf(socket: Datagram, peer: Address): (() => Operation<unknown>)[] {
  const calls: (() => unknown)[] = [
    () => socket.tryRecvFrom(),
    () => socket.trySendTo('x', peer),
    () => socket.trySend('x'),
    () => socket.setBroadcast(true),
    () => socket.setTtl(1),
    () => socket.setMulticastTtl(1),
    () => socket.setMulticastLoopback(true),
    () => socket.setMulticastInterface('127.0.0.1'),
    () => socket.joinGroup('239.1.2.3'),
    () => socket.leaveGroup('239.1.2.3'),
    () => socket.recvBufferSize,
    () => socket.sendBufferSize,
  ];
  return [
    () => socket.recvFrom(),
    () => socket.sendTo('x', peer),
    () => socket.send('x'),
    () => socket.connect(peer),
    ...calls.map(asOperation),
  ];
}
