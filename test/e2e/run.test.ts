import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { realBackends } from '../support/backends.ts';
import { endProcesses, Process } from '../support/process/process.ts';

const program = fileURLToPath(new URL('programs/run-cases.mjs', import.meta.url));

for (const { name: backend } of realBackends) {
  describe(`a process that runs a program on ${backend}`, () => {
    endProcesses();

    it('exits when the program has nothing to do', async () => {
      const { lines } = await resultOf('nothing');
      expect(lines).toEqual(['resolved', expect.stringMatching(/^exit 0 after \d+ ms$/)]);
    });

    it('stays alive while a task sleeps, and not longer', async () => {
      const { lines, durationMs } = await resultOf('sleeps');
      expect(lines.slice(0, 2)).toEqual(['slept', 'resolved']);
      expect(durationMs).toBeGreaterThanOrEqual(299);
      expect(durationMs).toBeLessThan(1500);
    });

    it('stays alive until the last child has ended', async () => {
      const { lines, durationMs } = await resultOf('children');
      expect(lines.slice(0, 4)).toEqual(['child 100', 'child 200', 'child 300', 'resolved']);
      expect(durationMs).toBeLessThan(1500);
    });

    it('stays alive while a task waits for a connection', async () => {
      const { lines, code } = await resultOf('accepts');
      expect([lines.length, code]).toEqual([1, 7]);
    });

    it('stays alive while a task sleeps indefinitely', async () => {
      const { lines, code } = await resultOf('sleepsForEver');
      expect([lines.length, code]).toEqual([1, 7]);
    });

    it('exits although the program left resources open, and prints a warning', async () => {
      const { lines, stderr, code } = await resultOf('leavesOpen');
      expect(lines.slice(0, 2)).toEqual(['left', 'resolved']);
      expect(stderr).toMatch(/ERR_LEFT_OPEN.* open .*listener 127\.0\.0\.1:\d+.*connection/);
      expect(code).toBe(0);
    });

    it('receives the error of the program unchanged', async () => {
      const { lines } = await resultOf('fails');
      expect(lines[0]).toBe('rejected TypeError undefined on purpose');
    });

    it('receives a DeadlockError at once when no event can wake a task', async () => {
      const { lines, durationMs } = await resultOf('parkedForEver');
      expect(lines[0]).toMatch(/^rejected DeadlockError ERR_DEADLOCK No task can ever run again/);
      expect(lines.join()).toContain("'main' waits for a wake-up");
      expect(durationMs).toBeLessThan(1500);
    });

    it('receives a GroupError with a DeadlockError if tasks wait for each other', async () => {
      const { lines } = await resultOf('joinCycle');
      expect(lines[0]).toMatch(/^rejected GroupError ERR_GROUP .*DeadlockError/);
      expect(lines.join()).toMatch(/'first'.*'second'/);
    });

    it('lets a deadlocked program clean up', async () => {
      const { lines } = await resultOf('unwindsFromDeadlock');
      expect(lines[0]).toBe('cleaned up');
      expect(lines[1]).toMatch(/^rejected DeadlockError ERR_DEADLOCK/);
    });

    it('can be ended by a task', async () => {
      const { lines, code } = await resultOf('exitsInTask');
      expect([lines.length, code]).toEqual([1, 3]);
    });

    it('can be ended by a handler that a network event has resumed', async () => {
      const { lines, code, stderr } = await resultOf('exitsInHandler');
      expect([lines.length, code, stderr]).toEqual([1, 4, '']);
    });

    async function resultOf(name: string): Promise<Result> {
      const options = { env: { CORONET_BACKEND: backend } };
      return await summary(new Process(process.execPath, [program, name], options));
    }
  });
}

interface Result {
  readonly lines: string[];
  readonly stderr: string;
  readonly code: number | null;
  readonly durationMs: number;
}

async function summary(started: Process): Promise<Result> {
  const { code } = await started.exit;
  const durationMs = Number(/after (\d+) ms/.exec(started.stdout)?.[1]);
  return { lines: started.lines, stderr: started.stderr, code, durationMs };
}
