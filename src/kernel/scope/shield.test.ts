/** Shields: operations inside run although the enclosing scope is cancelled. */
import { expect, test } from 'vitest';
import { codeOf, play, VirtualHost } from '../../../test/support/kernel/virtual-host.ts';
import { currentScope, now } from '../current.ts';
import type { Operation } from '../operation.ts';
import { group } from '../task/group.ts';
import { sleep, sleepForever } from '../waits.ts';
import { isCancelled } from './cancelled.ts';
import type { Scope } from './scope.ts';
import { shield } from './shield.ts';
import { moveOnAfter, scope, timeout } from './with-scope.ts';

/** Runs `body` inside a cancelled scope. Returns the errors that onUnhandled received. */
function inCancelled(body: (s: Scope) => Operation<unknown>): { reports: unknown[]; end: number } {
  const reports: unknown[] = [];
  const host = new VirtualHost({ hooks: { onUnhandled: (error) => reports.push(error) } });
  host.playScope(function* (s) {
    s.cancel('the test');
    yield* body(s);
  });
  return { reports, end: host.time };
}

test('operations in a shield run although the enclosing scope is cancelled', () => {
  const log: string[] = [];
  const { end, reports } = inCancelled(function* () {
    try {
      yield* sleep(1);
    } finally {
      yield* shield(sleep(100));
      log.push('cleaned up');
    }
  });
  expect([end, log, reports]).toEqual([100, ['cleaned up'], []]);
});

test('operations after a shield in the same finally block throw', () => {
  const log: string[] = [];
  inCancelled(function* () {
    try {
      yield* sleep(1);
    } finally {
      log.push(
        `${yield* shield(function* () {
          return 'value';
        })}`,
      );
      log.push('statement');
      try {
        yield* sleep(1);
      } finally {
        log.push('cancelled');
      }
    }
  });
  expect(log).toEqual(['value', 'statement', 'cancelled']);
});

test('a shield returns the value of its operation and throws its error', () => {
  const value = play(() =>
    shield(function* () {
      return 5;
    }),
  );
  expect(value).toBe(5);
  const broken = new Error('broken');
  expect(() =>
    play(() =>
      shield(function* () {
        throw broken;
      }),
    ),
  ).toThrow(broken);
});

test('a shield without a cancellation does not expire', () => {
  const end = play(function* () {
    yield* shield(sleep(1e9), { withinMs: 10 });
    return now();
  });
  expect(end).toBe(1e9);
});

test('the default time limit of a shield is 5000 ms', () => {
  const { end, reports } = inCancelled(() => shield(sleepForever()));
  expect(end).toBe(5000);
  expect(reports).toEqual([expect.objectContaining({ code: 'ERR_SHIELD_EXPIRED' })]);
});

test('the time limit of a shield begins at its entry if the scope is already cancelled', () => {
  const { end } = inCancelled(function* () {
    yield* shield(sleep(100));
    yield* shield(sleepForever(), { withinMs: 30 });
  });
  expect(end).toBe(130);
});

test('the time limit of a shield begins at a later cancellation', () => {
  const host = new VirtualHost();
  host.play(() => moveOnAfter(1000, shield(sleepForever(), { withinMs: 30 })));
  expect(host.time).toBe(1030);
});

test('the time limit of a shield begins at the first of several cancellations', () => {
  const host = new VirtualHost();
  host.play(() => moveOnAfter(20, moveOnAfter(10, shield(sleepForever(), { withinMs: 100 }))));
  expect(host.time).toBe(110);
});

test('operations in an expired shield throw the Cancelled of the enclosing scope', () => {
  const seen: unknown[] = [];
  inCancelled(() =>
    shield(
      function* () {
        for (let i = 0; i < 3; i++) {
          try {
            yield* sleep(100);
          } catch (error) {
            seen.push(isCancelled(error) && error.reason);
          }
        }
        yield* sleep(1);
      },
      { withinMs: 50 },
    ),
  );
  expect(seen).toEqual(['the test', 'the test', 'the test']);
});

test('ERR_SHIELD_EXPIRED names the operation in progress and is reported once', () => {
  const { reports } = inCancelled(() => shield(sleep(77_777), { withinMs: 50 }));
  expect(reports).toHaveLength(1);
  expect((reports[0] as Error).message).toMatch(/sleep 77777 ms/);
});

test('an expired shield returns the value if its operation has returned', () => {
  const host = new VirtualHost();
  const value = host.play(() =>
    moveOnAfter(
      0,
      shield(
        function* () {
          yield;
          host.time += 100;
          return 'value';
        },
        { withinMs: 50 },
      ),
    ),
  );
  expect(value).toBe('value');
});

test('in nested shields the earliest limit applies: the inner one', () => {
  const { end, reports } = inCancelled(() =>
    shield(shield(sleepForever(), { withinMs: 20 }), { withinMs: 100 }),
  );
  expect(end).toBe(20);
  expect(reports).toHaveLength(1);
});

test('in nested shields the earliest limit applies: the outer one', () => {
  const { end, reports } = inCancelled(() =>
    shield(shield(sleepForever(), { withinMs: 100 }), { withinMs: 20 }),
  );
  expect(end).toBe(20);
  expect(reports).toHaveLength(1);
});

test('a shield that is entered inside an expired one has no effect', () => {
  const { end } = inCancelled(() =>
    shield(
      function* () {
        try {
          yield* sleepForever();
        } finally {
          yield* shield(sleep(1000));
        }
      },
      { withinMs: 20 },
    ),
  );
  expect(end).toBe(20);
});

test('the time limit of a shield applies to the tasks of a group inside it', () => {
  const { end } = inCancelled(() =>
    shield(
      group(function* (g) {
        g.spawn(() => shield(sleepForever(), { withinMs: 500 }));
        yield* sleepForever();
      }),
      { withinMs: 20 },
    ),
  );
  expect(end).toBe(20);
});

test('tasks of a group inside a shield run while the enclosing scope is cancelled', () => {
  const log: string[] = [];
  inCancelled(() =>
    shield(
      group(function* (g) {
        g.spawn(function* () {
          yield* sleep(10);
          log.push('child');
        });
      }),
    ),
  );
  expect(log).toEqual(['child']);
});

test('a scope inside a shield can be cancelled', () => {
  const { end } = inCancelled(() =>
    shield(function* () {
      yield* moveOnAfter(10, sleepForever());
      yield* timeout(10, sleep(5));
      yield* scope(function* (s) {
        s.cancel();
        yield* sleepForever();
      });
    }),
  );
  expect(end).toBe(15);
});

test('an expired timeout around a shield throws when the shield has ended', () => {
  const log: string[] = [];
  const code = codeOf(() =>
    timeout(10, function* () {
      yield* shield(sleep(50));
      log.push(`shield left ${now()}`);
      yield* sleep(1);
    }),
  );
  expect([code, log]).toEqual(['ERR_TIMEOUT', ['shield left 50']]);
});

test('a shield with withinMs 0 permits operations that do not wait', () => {
  const { end, reports } = inCancelled(function* () {
    yield* shield(function* () {}, { withinMs: 0 });
    yield* shield(sleepForever(), { withinMs: 0 });
  });
  expect([end, reports.length]).toEqual([0, 1]);
});

test('a shield with withinMs Infinity does not expire', () => {
  const { end } = inCancelled(() => shield(sleep(1e7), { withinMs: Infinity }));
  expect(end).toBe(1e7);
});

test('currentScope() does not return the scope of a shield', () => {
  play(function* () {
    const around = currentScope();
    yield* shield(function* () {
      expect(currentScope()).toBe(around);
    });
  });
});

test('a shield that has ended has no timer', () => {
  const host = new VirtualHost();
  host.playScope(function* (s) {
    s.cancel();
    yield* shield(sleep(1));
    expect(host.scheduler.stats().timers).toBe(0);
  });
});

for (const [withinMs, kind] of [
  [Number.NaN, RangeError],
  [-1, RangeError],
  ['5', TypeError],
] as const) {
  test(`a shield with withinMs ${withinMs} throws a ${kind.name}`, () => {
    expect(() => shield(sleep(1), { withinMs: withinMs as number })).toThrow(kind);
  });
}

test('an expired shield is reported to the host if no hook is installed', () => {
  const host = new VirtualHost();
  host.play(() => moveOnAfter(1, shield(sleepForever(), { withinMs: 1 })));
  expect(host.warnings).toEqual([expect.objectContaining({ code: 'ERR_SHIELD_EXPIRED' })]);
});
