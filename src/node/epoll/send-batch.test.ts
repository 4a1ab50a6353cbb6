import { afterEach, describe, expect, it, vi } from 'vitest';
import { withPairs } from '../../../test/support/sockets.ts';
import type { Operation } from '../../index.ts';
import { Broadcast, group, run, sleep } from '../../index.ts';
import type { Addon } from '../addon.ts';
import { loadAddon } from '../addon.ts';
import type { BatchSender } from './send-batch.ts';
import { SendBatch } from './send-batch.ts';

const { addon } = loadAddon();

afterEach(() => {
  vi.restoreAllMocks();
});

/** A batch over a fake addon, which returns `results`, and senders that record their calls. */
function makeBatch(capacity: number, results: readonly number[] = []) {
  const log: string[] = [];
  const sendEach: Addon['sendEach'] = (batch, count, data) => {
    log.push(`send ${data.slice(0, count).map(String)}`);
    for (let i = 0; i < count; i++) batch[2 * i + 1] = results[i] ?? data[i]?.length ?? 0;
  };
  const batch = new SendBatch({ sendEach } as Addon, capacity);
  const sender = (handle: number): BatchSender => ({
    handle,
    onSent: (result, length) => log.push(`${handle}: ${result} of ${length}`),
    notifySent: () => log.push(`wake ${handle}`),
  });
  return { batch, log, sender };
}

describe('a batch of sends', () => {
  it('stores the result of each connection before it wakes the first task', () => {
    const { batch, log, sender } = makeBatch(4, [3, -11]);
    batch.add(sender(1), Buffer.from('one'));
    batch.add(sender(2), Buffer.from('second'));
    expect(batch.run()).toBe(2);
    expect(log).toEqual(['send one,second', '1: 3 of 3', '2: -11 of 6', 'wake 2', 'wake 1']);
    expect(batch.run()).toBe(0);
  });

  it('is carried out before a send is added for which it has no space', () => {
    const { batch, log, sender } = makeBatch(2);
    batch.add(sender(1), Buffer.from('a'));
    batch.add(sender(2), Buffer.from('b'));
    expect(log).toEqual([]);
    batch.add(sender(3), Buffer.from('c'));
    expect(log[0]).toBe('send a,b');
    expect(batch.run()).toBe(1);
  });
});

describe.runIf(addon !== undefined)('the sends of a turn on epoll', () => {
  it('small messages of tasks that are ready together are sent by sendEach', async () => {
    const each = vi.spyOn(addon ?? expect.fail(), 'sendEach');
    const program = () =>
      withPairs(4, function* (near, far): Operation<void> {
        yield* group(function* (tasks): Operation<void> {
          for (const socket of near)
            tasks.spawn(function* (): Operation<void> {
              yield* socket.recv();
              yield* socket.sendAll('hello');
            });
          yield* sleep(1);
          for (const socket of far) socket.trySend('x');
        });
        for (const socket of far) expect(String(yield* socket.recv())).toBe('hello');
      });
    await run(program, { backend: 'epoll' });
    expect(each).toHaveBeenCalled();
  });

  it('an item of a queue that several tasks pass on is sent by sendEach', async () => {
    const each = vi.spyOn(addon ?? expect.fail(), 'sendEach');
    const program = () =>
      withPairs(4, function* (near, far): Operation<void> {
        const room = new Broadcast<string>();
        yield* group(function* (tasks): Operation<void> {
          for (const socket of near)
            tasks.spawn(function* (): Operation<void> {
              const { value } = yield* room.subscribe().next();
              yield* socket.sendAll(value ?? '');
            });
          yield* sleep(1);
          yield* room.send('hello');
        });
        for (const socket of far) expect(String(yield* socket.recv())).toBe('hello');
      });
    await run(program, { backend: 'epoll' });
    expect(each).toHaveBeenCalled();
  });
});
