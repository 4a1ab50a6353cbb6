/** The broker for simulations: clients that violate the protocol. */
import { expect, it } from 'vitest';
import type { Operation, Socket } from '../../index.ts';
import { connect } from '../../index.ts';
import { simulate } from '../../sim.ts';
import { natsBroker } from './broker.ts';

async function withClient(body: (socket: Socket) => Operation<void>): Promise<void> {
  await simulate(function* (world): Operation<void> {
    world.host('broker', () => natsBroker(4222));
    using socket = yield* connect('broker:4222');
    yield* body(socket);
  });
}

it.each([
  ['an unknown verb', 'HELLO\r\n'],
  ['a size that is no number', 'PUB a x\r\n\r\n'],
  ['a message above the maximum size', `PUB a ${2 ** 20 + 1}\r\n`],
  ['headers that are longer than the message', 'HPUB a 10 5\r\n12345\r\n'],
  ['a subject with wildcards', 'PUB a.* 0\r\n\r\n'],
  ['an invalid pattern', 'SUB a..b 1\r\n'],
  ['a line without end', 'X'.repeat(5000)],
])('a client that sends %s is disconnected', (_title, bytes) =>
  withClient(function* (socket): Operation<void> {
    yield* socket.sendAll('CONNECT {}\r\nPING\r\n');
    const reader = socket.reader();
    expect(yield* reader.readLine()).toMatch(/^INFO {/);
    expect(yield* reader.readLine()).toBe('PONG');
    yield* socket.sendAll(bytes);
    expect(yield* reader.readLine()).toBeNull();
  }),
);
