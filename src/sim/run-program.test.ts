import { describe, expect, it } from 'vitest';
import type { Operation } from '../index.ts';
import { Channel, connect, currentTask, listen, now, sleep, sleepForever } from '../index.ts';
import { runSimulated } from '../sim.ts';

describe('runSimulated', () => {
  it('returns the result of the program, which runs on virtual time', async () => {
    const result = await runSimulated(
      function* (): Operation<string> {
        yield* sleep(1e9);
        return `${currentTask().name} at ${now()}`;
      },
      { name: 'program', maxVirtualMs: Infinity },
    );
    expect(result).toBe('program at 1000000000');
  });

  it("rejects with the program's own error, not wrapped", async () => {
    const error = new Error('its own');
    const outcome = runSimulated(function* (): Operation<void> {
      throw error;
    });
    await expect(outcome).rejects.toBe(error);
  });

  it('provides a network, on which a program can connect to itself', async () => {
    const answer = await runSimulated(function* (): Operation<string> {
      const listener = yield* listen('127.0.0.1:0');
      const near = yield* connect(listener.address);
      const far = yield* listener.accept();
      yield* near.sendAll('Hello');
      const data = yield* far.recv();
      for (const open of [near, far, listener]) open.close();
      return String(data);
    });
    expect(answer).toBe('Hello');
  });

  it('rejects with a deadlock or a limit error', async () => {
    const stuck = runSimulated(() => new Channel<number>().receive());
    await expect(stuck).rejects.toMatchObject({ code: 'ERR_DEADLOCK' });
    const endless = runSimulated(() => sleep(1000), { maxVirtualMs: 10 });
    await expect(endless).rejects.toMatchObject({ code: 'ERR_SIMULATION_LIMIT' });
  });

  it('is cancelled by a signal and rejects with its reason', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const outcome = runSimulated(
      function* (): Operation<void> {
        yield* sleep(5);
        controller.abort(reason);
        yield* sleepForever();
      },
      { signal: controller.signal },
    );
    await expect(outcome).rejects.toBe(reason);
    const aborted = runSimulated(sleepForever, { signal: AbortSignal.abort(reason) });
    await expect(aborted).rejects.toBe(reason);
  });

  it('reports sockets that were left open to `warn`', async () => {
    const problems: unknown[] = [];
    const program = function* (): Operation<void> {
      yield* listen(80);
    };
    await runSimulated(program, { warn: (problem) => problems.push(problem) });
    expect(problems).toMatchObject([{ code: 'ERR_LEFT_OPEN' }]);
  });

  it('never throws synchronously', async () => {
    await expect(runSimulated(5 as never)).rejects.toMatchObject({ code: 'ERR_NOT_AN_OPERATION' });
    await expect(runSimulated(sleepForever, { seed: -1 })).rejects.toThrow('Expected `seed`');
  });
});
