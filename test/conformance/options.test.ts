import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Operation, Socket } from '../../src/index.ts';
import { connect, listen } from '../../src/index.ts';
import { expectNothingLeft, LOOPBACK, withPair } from './support.ts';
import { worlds } from './worlds.ts';

/** The keep-alive timer in /proc/net/tcp, and the tick of its clock in milliseconds. */
const KEEP_ALIVE = 2;
const TICK_MS = 10;

for (const world of worlds) {
  describe(`socket options on ${world.name}`, () => {
    expectNothingLeft(world);

    it('noDelay is on from the start, on both ends, and can be switched', () => {
      return world.run(() =>
        withPair(function* (near, far): Operation<void> {
          expect([near.noDelay, far.noDelay]).toEqual([true, true]);
          near.noDelay = false;
          expect([near.noDelay, far.noDelay]).toEqual([false, true]);
          yield* near.sendAll('slow');
          near.noDelay = true;
          yield* near.sendAll(' and fast');
          expect(String(yield* far.recv())).toMatch(/^slow/);
        }),
      );
    });

    it('connect can leave noDelay off', () => {
      return world.run(function* (): Operation<void> {
        using listener = yield* listen(LOOPBACK);
        using near = yield* connect(listener.address, { noDelay: false });
        using far = yield* listener.accept();
        expect([near.noDelay, far.noDelay]).toEqual([false, true]);
      });
    });

    it('keep-alive arms the timer of the system', () => {
      return world.run(() =>
        withPair(function* (near, far): Operation<void> {
          far.setKeepAlive({ enable: true, idleMs: 7000 });
          if (!world.real || process.platform !== 'linux') return;
          expect(timerOf(near).kind).not.toBe(KEEP_ALIVE);
          const { kind, dueMs } = timerOf(far);
          expect(kind).toBe(KEEP_ALIVE);
          expect(dueMs).toBeGreaterThan(5000);
          expect(dueMs).toBeLessThanOrEqual(7000);
          far.setKeepAlive({ enable: false });
        }),
      );
    });

    it('options of a closed socket are no error', () => {
      return world.run(() =>
        withPair(function* (near): Operation<void> {
          near.close();
          near.noDelay = false;
          near.setKeepAlive({ enable: true });
          expect(near.closed).toBe(true);
        }),
      );
    });
  });
}

/** The timer that the system has armed for a connection, as /proc/net/tcp shows it. */
function timerOf({ localAddress, remoteAddress }: Socket): { kind: number; dueMs: number } {
  const near = hex(localAddress.port);
  const far = hex(remoteAddress.port);
  const row = new RegExp(`:${near} \\w+:${far} \\w+ \\w+:\\w+ (\\w+):(\\w+)`);
  const [, kind = '', due = ''] = row.exec(readFileSync('/proc/net/tcp', 'utf8')) ?? [];
  return { kind: Number.parseInt(kind, 16), dueMs: Number.parseInt(due, 16) * TICK_MS };
}

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0');
}
