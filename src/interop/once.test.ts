import { EventEmitter } from 'node:events';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { Channel } from '../flow/channel.ts';
import { select } from '../flow/select/select.ts';
import type { Selectable } from '../kernel/case.ts';
import { moveOnAfter } from '../kernel/scope/with-scope.ts';
import { group } from '../kernel/task/group.ts';
import { pause, sleep, sleepForever } from '../kernel/waits.ts';
import { run } from '../node/run.ts';
import { once } from './once.ts';
import { until } from './until.ts';

/** Counts its listeners, because an EventTarget does not report their number. */
class CountingTarget extends EventTarget {
  listeners = 0;

  override addEventListener(...args: Parameters<EventTarget['addEventListener']>): void {
    this.listeners++;
    super.addEventListener(...args);
  }

  override removeEventListener(...args: Parameters<EventTarget['removeEventListener']>): void {
    this.listeners = Math.max(0, this.listeners - 1);
    super.removeEventListener(...args);
  }
}

function listeners(emitter: EventEmitter): number {
  return emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0);
}

describe('once', () => {
  it('returns the arguments of the next event in an array', async () => {
    const emitter = new EventEmitter();
    const waiting = run(() => once(emitter, 'data'));
    setTimeout(() => {
      emitter.emit('data', 1, 'x');
      emitter.emit('data', 2);
    }, 1);
    expect(await waiting).toEqual([1, 'x']);
    expect(listeners(emitter)).toBe(0);
  });

  it('listens from the moment in which it is driven', async () => {
    const emitter = new EventEmitter();
    const operation = once(emitter, 'data');
    expect(listeners(emitter)).toBe(0);
    const waiting = run(() => operation);
    setTimeout(() => emitter.emit('data', 'late'), 1);
    expect(await waiting).toEqual(['late']);
  });

  it('accepts a symbol, and returns an empty array for an event without arguments', async () => {
    const emitter = new EventEmitter();
    const event = Symbol('done');
    const waiting = run(() => once(emitter, event));
    setTimeout(() => emitter.emit(event), 1);
    expect(await waiting).toEqual([]);
  });

  it("throws an 'error' event", async () => {
    const emitter = new EventEmitter();
    const error = new Error('no');
    const waiting = run(() => once(emitter, 'data'));
    setTimeout(() => emitter.emit('error', error), 1);
    await expect(waiting).rejects.toBe(error);
    expect(listeners(emitter)).toBe(0);
  });

  it("returns the arguments of an 'error' event if it waits for 'error'", async () => {
    const emitter = new EventEmitter();
    const waiting = run(() => once(emitter, 'error'));
    setTimeout(() => emitter.emit('error', 'expected'), 1);
    expect(await waiting).toEqual(['expected']);
    expect(listeners(emitter)).toBe(0);
  });

  it('waits for an event of an EventTarget', async () => {
    const target = new CountingTarget();
    const event = new Event('change');
    const waiting = run(() => once(target, 'change'));
    setTimeout(() => target.dispatchEvent(event), 1);
    expect(await waiting).toEqual([event]);
    expect(target.listeners).toBe(0);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 1);
    expect(await run(() => once(controller.signal, 'abort'))).toHaveLength(1);
  });

  it('removes its listeners when it is cancelled', async () => {
    const emitter = new EventEmitter();
    const target = new CountingTarget();
    const during: number[] = [];
    await run(() =>
      group(function* (g) {
        const tasks = [g.spawn(() => once(emitter, 'data')), g.spawn(() => once(target, 'x'))];
        yield* sleep(1);
        during.push(listeners(emitter), target.listeners);
        for (const task of tasks) task.cancel();
      }),
    );
    expect(during).toEqual([2, 1]);
    expect([listeners(emitter), target.listeners]).toEqual([0, 0]);
  });

  it('leaves no listener after a thousand timeouts', async () => {
    const emitter = new EventEmitter();
    await run(function* () {
      for (let i = 0; i < 1000; i++) yield* moveOnAfter(0, once(emitter, 'data'));
    });
    expect(listeners(emitter)).toBe(0);
  });

  it('reports an error that occurs between its cancellation and its end', async () => {
    const emitter = new EventEmitter();
    const error = new Error('late');
    const reported: unknown[] = [];
    const op = () =>
      group(function* (g) {
        const task = g.spawn(() => once(emitter, 'data'));
        yield* sleep(1);
        task.cancel();
        emitter.emit('error', error);
      });
    await run(op, { hooks: { onUnhandled: (problem) => reported.push(problem) } });
    expect(reported).toEqual([error]);
  });

  it('has a description for waitingOn that names the event', async () => {
    const emitter = new EventEmitter();
    const words: string[] = [];
    await run(() =>
      group(function* (g) {
        const tasks = [
          g.spawn(() => once(emitter, 'data')),
          g.spawn(() => once(emitter, Symbol('s'))),
        ];
        yield* pause();
        for (const task of tasks) {
          words.push(task.waitingOn);
          task.cancel();
        }
      }),
    );
    expect(words).toEqual(["event 'data'", 'event Symbol(s)']);
  });

  it('throws a TypeError if `emitter` does not emit events', () => {
    for (const wrong of [undefined, null, 5, {}, new Map()]) {
      expect(() => once(wrong as never, 'data')).toThrow(TypeError);
    }
  });

  it('infers the type of the arguments', () => {
    const emitter = new EventEmitter();
    expectTypeOf(once(emitter, 'x')).toEqualTypeOf<Selectable<unknown[]>>();
    expectTypeOf(once<[Buffer]>(emitter, 'x')).toEqualTypeOf<Selectable<[Buffer]>>();
    expectTypeOf(once(new EventTarget(), 'x')).toEqualTypeOf<Selectable<[Event]>>();
  });
});

describe('once and until as cases of select', () => {
  it('are chosen when the event or the settlement comes', async () => {
    await run(function* () {
      const emitter = new EventEmitter();
      const jobs = new Channel<number>();
      setImmediate(() => emitter.emit('exit', 3));
      const exited = yield* select({ exit: once(emitter, 'exit'), job: jobs.receive() });
      expect(exited).toEqual({ key: 'exit', value: [3] });
      const promised = yield* select({ text: until(Promise.resolve('x')), job: jobs.receive() });
      expect(promised).toEqual({ key: 'text', value: 'x' });
      const settled = yield* select({ text: until(Promise.resolve('y')) });
      expect(settled.value.toUpperCase()).toBe('Y');
    });
  });

  it('leave no listener and keep the promise usable if another case is chosen', async () => {
    await run(function* () {
      const emitter = new EventEmitter();
      const promise = new Promise<string>((resolve) => emitter.once('go', resolve));
      const late = sleep(1);
      const chosen = yield* select({ exit: once(emitter, 'exit'), text: until(promise), late });
      expect([chosen.key, emitter.listenerCount('exit'), emitter.listenerCount('error')]).toEqual([
        'late',
        0,
        0,
      ]);
      emitter.emit('go', 'text');
      expect(yield* until(promise)).toBe('text');
    });
  });

  it('throw the error of the emitter or of the promise', async () => {
    const emitter = new EventEmitter();
    const failing = run(function* () {
      setImmediate(() => emitter.emit('error', new Error('broken')));
      yield* select({ exit: once(emitter, 'exit'), late: sleepForever() });
    });
    await expect(failing).rejects.toThrow('broken');
    const rejected = run(() => select({ text: until(Promise.reject(new Error('rejected'))) }));
    await expect(rejected).rejects.toThrow('rejected');
    const refused = select as (cases: object) => unknown;
    expect(() => refused({ work: until(async () => 1) })).toThrow('`race` runs it as a task');
  });
});
