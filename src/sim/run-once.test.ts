import { EventEmitter } from 'node:events';
import { setTimeout as later } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { failureCodeOf } from '../../test/support/simulation.ts';
import type { Operation } from '../index.ts';
import { callback, group, now, once, sleep, timeout, until } from '../index.ts';
import { nodeProcess } from '../node/simulation-support.ts';
import { simulate } from '../sim.ts';
import { makeSimulate } from './simulate.ts';

describe('while a task of a simulation waits for the real process,', () => {
  it('virtual time does not advance', async () => {
    const report = await simulate(function* (): Operation<void> {
      const value = yield* timeout(5, until(later(20, 'from outside')));
      expect([value, now()]).toEqual(['from outside', 0]);
      yield* sleep(1);
    });
    expect([report.deterministic, report.virtualMs]).toEqual([false, 1]);
  });

  it('other tasks run until they have to wait for time', async () => {
    const order: string[] = [];
    await simulate(function* (): Operation<void> {
      yield* group(function* (g): Operation<void> {
        g.spawn(function* (): Operation<void> {
          yield* until(later(5));
          order.push('promise');
        });
        g.spawn(function* (): Operation<void> {
          for (let i = 0; i < 10; i++) yield;
          order.push('steps');
          yield* sleep(1);
          order.push('sleep');
        });
      });
    });
    expect(order).toEqual(['steps', 'promise', 'sleep']);
  });

  it('events and callbacks of the process are delivered', async () => {
    await simulate(function* (): Operation<void> {
      const emitter = new EventEmitter();
      setImmediate(() => emitter.emit('ready', 5));
      expect(yield* once(emitter, 'ready')).toEqual([5]);
      const called = yield* callback<string>((resume) => {
        setImmediate(() => resume('called'));
      });
      expect([called, now()]).toEqual(['called', 0]);
    });
  });

  it('time advances after a while, if the promise depends on the simulation itself', async () => {
    const report = await simulate(function* (): Operation<void> {
      let settle = (_value: string): void => {};
      const promise = new Promise<string>((resolve) => {
        settle = resolve;
      });
      yield* group(function* (g): Operation<void> {
        g.spawn(function* (): Operation<void> {
          yield* sleep(5);
          settle('from inside');
        });
        expect(yield* until(promise)).toBe('from inside');
        expect(now()).toBe(5);
      });
    });
    expect(report.deterministic).toBe(false);
  });

  it('the time limit of such a wait applies once in a campaign', async () => {
    const limits: number[] = [];
    const setTimer = (ms: number, action: () => void): (() => void) => {
      limits.push(ms);
      const immediate = setImmediate(action);
      return () => clearImmediate(immediate);
    };
    const simulateHere = makeSimulate({ realProcess: { ...nodeProcess, setTimer } });
    const scenario = function* (): Operation<void> {
      yield* group(function* (g): Operation<void> {
        const calls: (() => void)[] = [];
        g.spawn(function* (): Operation<void> {
          yield* sleep(5);
          calls[0]?.();
        });
        yield* callback<void>((resume) => void calls.push(resume));
      });
    };
    await simulateHere(scenario, { runs: 3 });
    expect(limits).toEqual([1000]);
  });

  it('a rejected promise throws in the task', async () => {
    const code = await failureCodeOf(() =>
      until(Promise.reject(Object.assign(new Error(), { code: 'X' }))),
    );
    expect(code).toBe('X');
  });
});
