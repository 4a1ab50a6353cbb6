import { expect, test } from 'vitest';
import { Channel } from '../flow/channel.ts';
import { select } from '../flow/select.ts';
import { group } from '../kernel/group.ts';
import { readable, sleep, sleepForever } from '../kernel/waits.ts';
import { run } from '../node/run.ts';
import { connect } from './connect.ts';
import { listen } from './listen.ts';

for (const network of ['epoll', 'portable'] as const)
  test(network, async () => {
    await run(
      function* () {
        yield* group(function* (g) {
          const l = yield* listen('127.0.0.1:0');
          const ch = new Channel<number>();
          g.spawn(function* () {
            const r = yield* select({ conn: l.accept(), late: sleep(5000) });
            if (r.key !== 'conn') throw new Error(r.key);
            const s = r.value;
            const log: string[] = [];
            for (let i = 0; i < 4; i++) {
              const got = yield* select({ data: s.recv(), n: ch.receive(), late: sleep(5000) });
              log.push(`${got.key} ${String(got.value)}`);
              if (got.key === 'n') yield* s.sendAll('ack');
            }
            expect(log).toEqual(['n 1', 'data hello', 'n 2', 'data ']);
            expect((yield* s.recv()).length).toBe(0);
            s.close();
            l.close();
          });
          const c = yield* connect(l.address.port);
          yield* ch.send(1);
          expect(String(yield* c.recv())).toBe('ack');
          yield* c.sendAll('hello');
          yield* sleep(20);
          const x = g.spawn(() => ch.send(2));
          const y = yield* select({ in: readable(c), never: sleepForever() });
          expect(y.key).toBe('in');
          yield* x.join();
          expect(String(yield* c.recv())).toBe('ack');
          c.close();
        });
      },
      { network },
    );
  });
