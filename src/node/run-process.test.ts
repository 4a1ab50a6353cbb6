import { describe, expect, test } from 'vitest';
import { runProgram } from '../../test/support/process/child-program.ts';

describe.concurrent('the process of a run', () => {
  test('stays alive while a task sleeps, and exits when it has finished', async () => {
    const { code, stdout } = await runProgram(`
      const { run, sleep } = coronet;
      const began = performance.now();
      run(function* () { yield* sleep(150); }).then(() => {
        console.log(performance.now() - began >= 150 ? 'slept' : 'too early');
      });
    `);
    expect([code, stdout]).toEqual([0, 'slept\n']);
  });

  test('exits after the run, before the timers of the run expire', async () => {
    const { code } = await runProgram(`
      const { run, timeout, sleep } = coronet;
      await run(() => timeout(60_000, sleep(1)));
    `);
    expect(code).toBe(0); // `runProgram` would end the process before the timer.
  });

  test('stays alive for sleepForever, until it is aborted', async () => {
    const { code, stdout } = await runProgram(`
      const { run, sleepForever } = coronet;
      const controller = new AbortController();
      setTimeout(() => controller.abort('stop'), 100).unref();
      run(() => sleepForever(), { signal: controller.signal }).catch((e) => console.log(e));
    `);
    expect([code, stdout]).toEqual([0, 'stop\n']);
  });

  test('stays alive for a raw sleep of Infinity as for sleep(Infinity)', async () => {
    const ends = await Promise.all(
      ["yield ['sleep', Infinity]", 'yield* coronet.sleep(Infinity)'].map((wait) =>
        runProgram(
          `coronet.run(function* () { ${wait}; }).catch((e) => console.log(e.code));`,
          1500,
        ),
      ),
    );
    expect(ends.map(({ stdout }) => stdout)).toEqual(['', '']);
    expect(ends.map(({ code }) => code)).toEqual([null, null]);
  });

  test('reports a deadlock when no event can wake a task', async () => {
    const { code, stdout } = await runProgram(`
      const { run, group, Channel } = coronet;
      const { Parking, park } = await import(${JSON.stringify(lowlevel())});
      run(() => group(function* (g) {
        g.spawn(() => park(new Parking()), { name: 'stuck' });
      })).catch((e) => console.log(e.code, e.tasks.length, /'stuck'/.test(e.message)));
    `);
    expect([code, stdout]).toEqual([0, 'ERR_DEADLOCK 2 true\n']);
  });

  test('reports the deadlock of every run, one after the other and at the same time', async () => {
    const { code, stdout } = await runProgram(`
      const { run, Channel } = coronet;
      const stuck = () => new Channel().receive();
      for (let i = 0; i < 3; i++) await run(stuck).catch((e) => console.log(e.code));
      const ends = await Promise.allSettled([run(stuck), run(stuck)]);
      for (const { reason } of ends) console.log(reason.code);
    `);
    expect([code, stdout]).toEqual([0, 'ERR_DEADLOCK\n'.repeat(5)]);
  });

  test('reports the deadlock of a run whose cleanup is deadlocked again', async () => {
    const { code, stdout } = await runProgram(`
      const { run, Channel, shield } = coronet;
      const stuck = () => new Channel().receive();
      const again = () => shield(stuck, { withinMs: Infinity });
      await run(function* () {
        try { yield* stuck(); } finally { yield* again(); }
      }).catch((e) => console.log(e.code));
    `);
    expect([code, stdout]).toEqual([0, 'ERR_DEADLOCK\n']);
  });

  test('reports the deadlock of a run that a beforeExit listener starts', async () => {
    const { code, stdout } = await runProgram(`
      const { run, Channel } = coronet;
      process.once('beforeExit', () => {
        run(() => new Channel().receive()).catch((e) => console.log(e.code));
      });
    `);
    expect([code, stdout]).toEqual([0, 'ERR_DEADLOCK\n']);
  });

  test('exits with code 1 if the deadlock of a run is not caught', async () => {
    const { code, stderr } = await runProgram(`
      const { run, Channel } = coronet;
      const stuck = () => new Channel().receive();
      await run(stuck).catch(() => {});
      await run(stuck);
    `);
    expect(code).toBe(1);
    expect(stderr).toMatch(/ERR_DEADLOCK/);
  });

  test('exits with code 1 under main if tasks wait for each other', async () => {
    const { code, stderr } = await runProgram(`
      const { main, group, Lock, sleep } = coronet;
      const lock = new Lock('db');
      const program = () => lock.with(() => group(function* (g) {
        g.spawn(() => lock.acquire(), { name: 'child' });
      }));
      await main(program);
      process.exitCode = undefined;
      await main(program);
    `);
    expect(code).toBe(1);
    expect(stderr.match(/These tasks wait for each other: 'child' → 'main' → 'child'/g)).not.toBe(
      null,
    );
  });

  test('reports no deadlock while other code in the process can wake a task', async () => {
    const { code, stdout } = await runProgram(`
      const { run } = coronet;
      const { Parking, park } = await import(${JSON.stringify(lowlevel())});
      const parking = new Parking();
      setTimeout(() => parking.wake('woken'), 100);
      run(() => park(parking)).then(console.log, (e) => console.log(e.code));
    `);
    expect([code, stdout]).toEqual([0, 'woken\n']);
  });

  test('continues after a task has failed', async () => {
    const { code, stdout } = await runProgram(`
      const { run, sleep } = coronet;
      run(function* () { throw new Error('boom'); }).catch((e) => console.log(e.message));
      await run(() => sleep(50));
      console.log('alive');
    `);
    expect([code, stdout]).toEqual([0, 'boom\nalive\n']);
  });

  test('returns from a top-level await of run', async () => {
    const { code, stdout } = await runProgram(`
      const { run, group, sleep } = coronet;
      const value = await run(() => group(function* (g) {
        const tasks = [1, 2, 3].map((n) => g.spawn(function* () { yield* sleep(n); return n; }));
        let sum = 0;
        for (const task of tasks) sum += yield* task.join();
        return sum;
      }));
      console.log(value);
    `);
    expect([code, stdout]).toEqual([0, '6\n']);
  });

  test('has one beforeExit listener for any number of runs', async () => {
    const { stdout, stderr } = await runProgram(`
      const { run, sleep } = coronet;
      const runs = Array.from({ length: 50 }, () => run(() => sleep(5)));
      console.log(process.listenerCount('beforeExit'));
      await Promise.all(runs);
      console.log(process.listenerCount('beforeExit'));
    `);
    expect([stdout, stderr]).toEqual(['1\n0\n', '']);
  });
});

function lowlevel(): string {
  return new URL('../../dist/lowlevel.js', import.meta.url).href;
}
