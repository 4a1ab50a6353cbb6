/** The epoll network as a whole. */
import { expect, it } from 'vitest';
import { errorOf } from '../../../test/support/errors.ts';
import type { Pair } from '../../../test/support/network/epoll-network.ts';
import {
  ANY_PORT,
  accept,
  connect,
  describeEpoll,
  makeNetwork,
  network,
  pair,
  portOf,
  readable,
  recv,
  settle,
  takeDeliveries,
} from '../../../test/support/network/epoll-network.ts';
import type { Operation, Socket, Task } from '../../index.ts';
import { connect as connectTo, group, listen, run, timeout } from '../../index.ts';

function* text(socket: Socket): Operation<string> {
  const data = yield* socket.recv();
  socket.close();
  return String(data);
}

/** Blocks the thread. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describeEpoll('the epoll network', () => {
  it('delivers many events in one call', async () => {
    const listener = network.listen(ANY_PORT, {});
    const ends: Pair[] = [];
    for (let i = 0; i < 50; i += 1) {
      const near = await connect(listener.local);
      ends.push({ near, far: await accept(listener), listener });
    }
    await settle();
    for (const { near } of ends) near.trySend(Buffer.from('x'));
    takeDeliveries();
    await settle();
    expect(ends.every(({ far }) => far.canRecv)).toBe(true);
    expect(takeDeliveries()).toBeLessThan(5);
  });

  it('delivers pending events when it is polled, without the event loop', async () => {
    const { near, far } = await pair();
    await settle();
    far.tryRecv(1);
    near.trySend(Buffer.from('x'));
    takeDeliveries();
    expect(network.poll()).toBe(1);
    expect(far.canRecv).toBe(true);
    expect(takeDeliveries()).toBe(0);
  });

  it('delivers bytes that have arrived before the deadlines that have passed', async () => {
    const many = 100;
    const outcome = await run(
      function* (): Operation<string[]> {
        const listener = yield* listen('127.0.0.1:0');
        const clients: Socket[] = [];
        const sockets: Socket[] = [];
        for (let i = 0; i < many; i += 1) {
          clients.push(yield* connectTo(listener.address));
          sockets.push(yield* listener.accept());
        }
        const answers = yield* group(function* (tasks): Operation<Task<string>[]> {
          const waiting = sockets.map((socket) =>
            tasks.spawn(() => timeout(500, () => text(socket))),
          );
          yield;
          for (const client of clients) client.trySend('in time');
          block(550);
          return waiting;
        });
        const texts: string[] = [];
        for (const answer of answers) texts.push(yield* answer.join());
        for (const socket of [listener, ...clients]) socket.close();
        return texts;
      },
      { backend: 'epoll' },
    );
    expect(outcome).toEqual(new Array(many).fill('in time'));
  });

  it('works next to another network in the same thread', async () => {
    const other = makeNetwork();
    const listener = other.listen(ANY_PORT, {});
    const near = await connect(listener.local);
    const far = await accept(listener);
    near.trySend(Buffer.from('across'));
    expect(String(await recv(far))).toBe('across');
    other.close();
    await expect(recv(near)).resolves.toHaveLength(0);
  });

  it('lists its open resources, and closes them', async () => {
    const { near, far, listener } = await pair();
    const [port, peer] = [portOf(listener.local), portOf(near.local)];
    expect(network.open()).toContain(`listener 127.0.0.1:${port}`);
    expect(network.open()).toContain(`connection 127.0.0.1:${port} to 127.0.0.1:${peer}`);
    expect(network.counters()).toMatchObject({ transports: 2, listeners: 1 });
    const waiting = readable(far);
    network.close();
    network.close();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect(network.open()).toEqual([]);
    expect(network.poll()).toBe(0);
    expect(errorOf(() => network.listen(ANY_PORT, {})).code).toBe('ERR_CLOSED');
    expect(errorOf(() => network.connect(ANY_PORT, {})).code).toBe('ERR_CLOSED');
  });

  it('reports the limits of the process', () => {
    const limits = network.limits();
    expect(limits.descriptors).toBeGreaterThan(limits.openDescriptors ?? Infinity);
    expect(limits.openDescriptors).toBeGreaterThan(2);
    expect(limits.backlog).toBeGreaterThan(0);
  });

  it('resolves names, and drops the result of a cancelled lookup', async () => {
    const ask = (host: string) =>
      new Promise<readonly { host: string }[]>((answer, fail) => {
        network.resolve(host, (error, hosts) => (error ? fail(error) : answer(hosts)));
      });
    expect((await ask('localhost')).length).toBeGreaterThan(0);
    expect(await ask('127.0.0.1')).toEqual([{ host: '127.0.0.1', family: 4 }]);
    let called = false;
    const cancel = network.resolve('127.0.0.1', () => {
      called = true;
    });
    cancel();
    await settle();
    expect(called).toBe(false);
  });
});
