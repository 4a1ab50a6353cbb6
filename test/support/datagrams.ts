/** What the cases about datagrams share. */
import { networkInterfaces } from 'node:os';
import type { Address, Datagram, Operation, ReceivedDatagram, Wait } from '../../src/index.ts';
import { bindDatagram, moveOnAfter } from '../../src/index.ts';
import { LOOPBACK } from './sockets.ts';

/** Whether this machine speaks IPv6 with itself. */
export const hasIpv6: boolean = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);

/**
 * After so many silences of so long nothing more comes over loopback: everything was there, or was
 * dropped. One silence proves nothing: a process that was held up meets its timers first.
 */
const SILENCES = 3;
const SILENCE_MS = 10;

/** Runs `body` with two sockets, and closes them. */
export function* withTwo<T>(
  body: (near: Datagram, far: Datagram) => Operation<T>,
  address: Address = LOOPBACK,
): Operation<T> {
  using near = yield* bindDatagram(address);
  using far = yield* bindDatagram(address);
  return yield* body(near, far);
}

/** Sends back what comes. */
export function* echoDatagrams(socket: Datagram): Operation<void> {
  for (;;) {
    const { data, from } = yield* socket.recvFrom();
    yield* socket.sendTo(data, from);
  }
}

/** Everything that comes before a silence. */
export function* receiveDatagrams(socket: Datagram): Operation<ReceivedDatagram[]> {
  const all: ReceivedDatagram[] = [];
  for (let silences = 0; silences < SILENCES; silences++) {
    const next = yield* moveOnAfter(SILENCE_MS, () => socket.recvFrom());
    if (next === undefined) continue;
    all.push(next);
    silences = -1;
  }
  return all;
}

/** The form of the classic teaching program: a raw wait, then a try. */
export function* rawReceive(socket: Datagram): Operation<ReceivedDatagram> {
  for (;;) {
    const wait: Wait = ['recv', socket];
    yield wait;
    const received = socket.tryRecvFrom();
    if (received !== undefined) return received;
  }
}

/** Likewise. */
export function* rawSend(socket: Datagram, data: string, to: Address): Operation<void> {
  for (;;) {
    const wait: Wait = ['send', socket];
    yield wait;
    if (socket.trySendTo(data, to)) return;
  }
}

/** A plain call, where an operation is expected. */
export function called(call: () => unknown): () => Operation<unknown> {
  return function* (): Operation<unknown> {
    return call();
  };
}

/** Everything that a closed socket has to refuse. */
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
    ...calls.map(called),
  ];
}
