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

  test('exits soon after the run, whatever timers were set', async () => {
    const began = performance.now();
    const { code } = await runProgram(`
      const { run, timeout, sleep } = coronet;
      await run(() => timeout(60_000, sleep(1)));
    `);
    expect(code).toBe(0);
    expect(performance.now() - began).toBeLessThan(5000);
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
