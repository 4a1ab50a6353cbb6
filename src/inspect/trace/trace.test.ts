import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { realBackends } from '../../../test/support/backends.ts';
import { withPair } from '../../../test/support/sockets.ts';
import type { TraceEventJson, TraceJson } from '../../../test/support/trace-events.ts';
import { checkTraceEvents } from '../../../test/support/trace-events.ts';
import type { Hooks, Operation } from '../../index.ts';
import { Channel, group, run, scope, sleep } from '../../index.ts';
import { trace } from '../../inspect.ts';
import { runSimulated } from '../../sim.ts';

const folder = mkdtempSync(join(tmpdir(), 'coronet-trace-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = join(folder, 'trace.json');

function written(): TraceJson {
  const json = JSON.parse(readFileSync(file, 'utf8')) as TraceJson;
  checkTraceEvents(json);
  return json;
}

/** The events of the track with that name. */
function trackOf({ traceEvents }: TraceJson, name: string): TraceEventJson[] {
  const meta = traceEvents.find(({ ph, args }) => ph === 'M' && args?.['name'] === name);
  expect(meta, `the track ${name}`).toBeDefined();
  const { pid, tid } = meta as { pid: number; tid: number };
  return traceEvents.filter((event) => event.ph !== 'M' && event.pid === pid && event.tid === tid);
}

function* pingPong(): Operation<string> {
  const channel = new Channel<string>(0);
  return yield* group(function* (tasks): Operation<string> {
    tasks.spawn(
      function* () {
        yield* sleep(1);
        yield* channel.send('ping');
      },
      { name: 'sender' },
    );
    return yield* channel.receive();
  });
}

describe('trace', () => {
  it('resolves to the result of an operation and writes a track for each task', async () => {
    expect(await trace(pingPong, { file, name: 'program' })).toBe('ping');
    const json = written();
    const sender = trackOf(json, 'sender #2');
    const names = sender.filter(({ ph }) => ph === 'X' || ph === 'i').map(({ name }) => name);
    expect(names).toContain('spawn');
    expect(names).toContain('step');
    expect(names).toContain('sleep 1 ms');
    expect(names.at(-1)).toBe('finish');
    const process = json.traceEvents.find(({ name }) => name === 'process_name');
    expect(process?.args).toEqual({ name: 'program' });
  });

  it('draws arrows from the task or the timer that wakes a task to its next step', async () => {
    await trace(pingPong, { file });
    const { traceEvents } = written();
    const starts = traceEvents.filter(({ ph }) => ph === 's');
    const ends = traceEvents.filter(({ ph }) => ph === 'f');
    expect(ends.map(({ id }) => id).sort()).toEqual(starts.map(({ id }) => id).sort());
    const trackName = (event: { pid: number; tid: number } | undefined) =>
      traceEvents.find(
        ({ name, pid, tid }) => name === 'thread_name' && pid === event?.pid && tid === event?.tid,
      )?.args?.['name'];
    const arrows = ends.map((end) => {
      return `${trackName(starts.find(({ id }) => id === end.id))} → ${trackName(end)}`;
    });
    expect(arrows).toContain('main #1 → sender #2');
    expect(arrows).toContain('timers → sender #2');
    expect(arrows).toContain('sender #2 → main #1');
  });

  it('keeps no signal listener after wrong hooks', async () => {
    const listeners = process.listenerCount('SIGTERM');
    const hooks = null as unknown as Hooks;
    await expect(trace(pingPong, { file, hooks })).rejects.toThrow(TypeError);
    expect(process.listenerCount('SIGTERM')).toBe(listeners);
  });

  it('takes a function that runs a program with the hooks', async () => {
    expect(await trace((hooks) => run(pingPong, { hooks }), { file })).toBe('ping');
    expect(trackOf(written(), 'sender #2')).not.toEqual([]);
    await trace((hooks) => runSimulated(pingPong, { hooks }), { file });
    expect(trackOf(written(), 'sender #2')).not.toEqual([]);
  });

  it('takes an operation object, and calls the hooks of the options as well', async () => {
    const finished: string[] = [];
    const hooks = { taskFinished: ({ name }: { name: string }) => void finished.push(name) };
    await trace(pingPong(), { file, hooks });
    expect(finished).toEqual(['sender', 'main']);
  });

  it('marks cancellations, and ends the waits of tasks that have not finished', async () => {
    await trace(
      () =>
        scope(function* (all): Operation<void> {
          yield* group(function* (tasks): Operation<void> {
            tasks.spawn(() => sleep(Infinity), { name: 'sleeper' });
            yield;
            all.cancel('enough');
          });
        }),
      { file },
    ).catch(() => {});
    const names = trackOf(written(), 'sleeper #2').map(({ name }) => name);
    expect(names).toContain('cancel');
    expect(names).toContain('sleep forever');
  });

  it('rejects with the error of the program after the file is complete', async () => {
    const error = new Error('broken');
    const failing = function* (): Operation<void> {
      yield* sleep(0);
      throw error;
    };
    await expect(trace(failing, { file })).rejects.toBe(error);
    expect(trackOf(written(), 'main #1').at(-1)).toMatchObject({ args: { state: 'failed' } });
    await expect(trace(() => Promise.reject(error), { file })).rejects.toBe(error);
    expect(written().traceEvents).toEqual([]);
  });

  it('stops at maxEvents with a mark', async () => {
    await trace(
      function* () {
        for (let i = 0; i < 1000; i++) yield;
      },
      { file, maxEvents: 100 },
    );
    const { traceEvents } = written();
    expect(traceEvents).toHaveLength(101);
    expect(traceEvents.at(-1)).toMatchObject({ name: 'truncated', args: { maxEvents: 100 } });
  });

  it('writes names with quotes, control characters and great length as JSON', async () => {
    const name = `"}],\n\u0000\u2028<b>${'x'.repeat(10_000)}`;
    await trace(() => sleep(0), { file, name });
    const process = written().traceEvents.find((event) => event.name === 'process_name');
    expect(String(process?.args?.['name'])).toMatch(/^"}\],\n\0\u2028<b>x+…$/);
  });

  it('rejects wrong arguments and a file that cannot be created', async () => {
    const wrong = (...args: unknown[]) =>
      (trace as (...args: unknown[]) => Promise<unknown>)(...args);
    await expect(wrong(pingPong)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    await expect(wrong(5, { file })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    await expect(wrong(pingPong, {})).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    await expect(wrong(() => 5, { file })).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    const bounds = wrong(pingPong, { file, maxEvents: 0 });
    await expect(bounds).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    const missing = trace(pingPong, { file: join(folder, 'missing', 'trace.json') });
    await expect(missing).rejects.toMatchObject({ code: 'ENOENT' });
    const unknown = wrong(pingPong, { file, backed: 'epoll' });
    await expect(unknown).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  });

  for (const backend of realBackends) {
    it(`shows that the network wakes a task that receives, on ${backend.name}`, async () => {
      const exchange = () =>
        withPair(function* (near, far): Operation<void> {
          yield* group(function* (tasks): Operation<void> {
            tasks.spawn(() => near.recv(), { name: 'reader' });
            yield* sleep(1);
            yield* far.sendAll('hello');
          });
        });
      await trace((hooks) => backend.run(exchange, { hooks }), { file });
      const json = written();
      const reader = json.traceEvents.find(({ args }) => /^reader #/.test(String(args?.['name'])));
      const events = trackOf(json, String(reader?.args?.['name']));
      expect(events.map(({ name }) => name)).toContain('recv');
      expect(events.some(({ ph, name }) => ph === 'X' && name.startsWith('recv 127.0.0.1:'))).toBe(
        true,
      );
      const network = trackOf(json, 'network').map(({ name }) => name);
      expect(network).toContain('wakes reader');
    });
  }
});
