import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { realBackends } from '../support/backends.ts';
import { endProcesses, Process } from '../support/process/process.ts';

const program = fileURLToPath(new URL('programs/run-cases.mjs', import.meta.url));

for (const { name: backend } of realBackends) {
  describe(`a process that runs a program on ${backend}`, () => {
    endProcesses();

    it('ends when there is nothing to do', async () => {
      const { said } = await resultOf('nothing');
      expect(said).toEqual(['resolved', expect.stringMatching(/^exit 0 after \d+ ms$/)]);
    });

    it('lives as long as a task sleeps, and not longer', async () => {
      const { said, livedMs } = await resultOf('sleeps');
      expect(said.slice(0, 2)).toEqual(['slept', 'resolved']);
      expect(livedMs).toBeGreaterThanOrEqual(299);
      expect(livedMs).toBeLessThan(1500);
    });

    it('lives until the last child has ended', async () => {
      const { said, livedMs } = await resultOf('children');
      expect(said.slice(0, 4)).toEqual(['child 100', 'child 200', 'child 300', 'resolved']);
      expect(livedMs).toBeLessThan(1500);
    });

    it('lives as long as a task waits for a connection', async () => {
      const { said, code } = await resultOf('accepts');
      expect([said.length, code]).toEqual([1, 7]);
    });

    it('lives as long as a task sleeps for ever', async () => {
      const { said, code } = await resultOf('sleepsForEver');
      expect([said.length, code]).toEqual([1, 7]);
    });

    it('is not held by what the program has left open, and is told what that was', async () => {
      const { said, stderr, code } = await resultOf('leavesOpen');
      expect(said.slice(0, 2)).toEqual(['left', 'resolved']);
      expect(stderr).toMatch(/ERR_LEFT_OPEN.*left open.*listener 127\.0\.0\.1:\d+.*connection/);
      expect(code).toBe(0);
    });

    it('hears of the error of the program, as it is', async () => {
      const { said } = await resultOf('fails');
      expect(said[0]).toBe('rejected TypeError undefined on purpose');
    });

    it('hears of a deadlock at once when nothing outside can wake a task', async () => {
      const { said, livedMs } = await resultOf('parkedForEver');
      expect(said[0]).toMatch(/^rejected DeadlockError ERR_DEADLOCK No task can ever run again/);
      expect(said.join()).toContain("'main' waits for a wake-up");
      expect(livedMs).toBeLessThan(1500);
    });

    it('hears of tasks that wait for each other', async () => {
      const { said } = await resultOf('joinCycle');
      expect(said[0]).toMatch(/^rejected DeadlockError ERR_DEADLOCK/);
      expect(said.join()).toMatch(/'first'.*'second'/);
    });

    it('lets a program that is deadlocked clean up', async () => {
      const { said } = await resultOf('unwindsFromDeadlock');
      expect(said[0]).toBe('cleaned up');
      expect(said[1]).toMatch(/^rejected DeadlockError ERR_DEADLOCK/);
    });

    it('may be ended by a task', async () => {
      const { said, code } = await resultOf('exitsInTask');
      expect([said.length, code]).toEqual([1, 3]);
    });

    it('may be ended by a handler that an event of the network has resumed', async () => {
      const { said, code, stderr } = await resultOf('exitsInHandler');
      expect([said.length, code, stderr]).toEqual([1, 4, '']);
    });

    async function resultOf(name: string): Promise<Result> {
      const options = { env: { CORONET_BACKEND: backend } };
      return await summary(new Process(process.execPath, [program, name], options));
    }
  });
}

interface Result {
  readonly said: string[];
  readonly stderr: string;
  readonly code: number | null;
  readonly livedMs: number;
}

async function summary(started: Process): Promise<Result> {
  const { code } = await started.exit;
  const livedMs = Number(/after (\d+) ms/.exec(started.stdout)?.[1]);
  return { said: started.lines, stderr: started.stderr, code, livedMs };
}
