import { describe, expect, it } from 'vitest';
import { askEcho, echoServer } from '../../../test/support/simulation.ts';
import type { Operation } from '../../index.ts';
import { group, sleep } from '../../index.ts';
import type { Hooks } from '../../kernel/hooks.ts';
import { nodeProcess } from '../../node/simulation-support.ts';
import type { SimOptions } from '../options.ts';
import { planOf } from '../options.ts';
import type { RunSettings } from '../run-once.ts';
import { runOnce } from '../run-once.ts';
import type { Scenario } from '../world.ts';
import type { RecordedRun } from './record-run.ts';
import { recordRun } from './record-run.ts';
import { RunRecorder } from './recorder.ts';
import type { RecordedEntry, Recording } from './recording.ts';

async function record(scenario: Scenario, options: SimOptions = {}): Promise<RecordedRun> {
  const plan = planOf({ order: 'fifo', ...options }, { realProcess: nodeProcess });
  return await recordRun(scenario, plan, { seed: plan.seed }, nodeProcess);
}

function entriesOf<T extends RecordedEntry['type']>(
  { entries }: Recording,
  type: T,
): (RecordedEntry & { type: T })[] {
  return entries.filter((entry) => entry.type === type) as (RecordedEntry & { type: T })[];
}

const echoScenario: Scenario = function* (world): Operation<void> {
  world.host('server', echoServer);
  yield* sleep(1);
  yield* askEcho('server', 'Hello');
};

describe('a recorded run', () => {
  it('has the trace of the same run without a recorder', async () => {
    const options: SimOptions = {
      order: 'random',
      link: { loss: 0.2 },
      faults: { shortReads: 0.5, resets: 0.05, spuriousWakeups: 0.3 },
    };
    const plan = planOf(options, { realProcess: nodeProcess });
    for (let seed = 1; seed <= 20; seed++) {
      const settings: RunSettings = { ...plan.settings, seed };
      const { traceHash, steps } = await runOnce(echoScenario, settings, nodeProcess);
      const recorded = await recordRun(echoScenario, plan, { seed }, nodeProcess);
      expect(recorded, `seed ${seed}`).toMatchObject({ traceHash, steps });
    }
  });

  it('contains the tasks around a task that is nested deeply', async () => {
    const depth = 12_000;
    const recorder = new RunRecorder(10);
    let tasks: Recording['tasks'] = [];
    function* nest(level: number): Operation<void> {
      if (level === depth) tasks = recorder.recording().tasks;
      else yield* group((members) => members.spawn(() => nest(level + 1)).join());
    }
    const plan = planOf({ order: 'fifo' }, { realProcess: nodeProcess });
    const hooks = recorder.hooks(undefined);
    const settings: RunSettings = { ...plan.settings, seed: 1, recorder, hooks };
    await runOnce(() => nest(0), settings, nodeProcess);
    expect(tasks.map(({ parent }) => parent)).toEqual(tasks.map((_, index) => index - 1));
    expect(tasks.length).toBeGreaterThan(depth);
  });

  it('contains both ends of each message, its bytes, and the task that it wakes', async () => {
    const { recording } = await record(echoScenario, { link: { latencyMs: [3, 3] } });
    const hello = entriesOf(recording, 'send').filter(({ text }) => text === '5 bytes "Hello"');
    expect(hello.map(({ from, to }) => [from, to])).toEqual([
      [0, 1],
      [1, 0],
    ]);
    for (const { message, at } of hello) {
      const end = entriesOf(recording, 'arrive').find((each) => each.message === message);
      expect(end?.at).toBe(at + 3);
    }
    const woken = entriesOf(recording, 'wake').find(({ message }) => message === hello[1]?.message);
    expect(woken).toMatchObject({ task: 0, reason: 'network' });
    const packets = entriesOf(recording, 'send').map(({ text }) => text);
    expect(packets.slice(0, 3)).toEqual(['SYN', 'SYN+ACK', 'ACK']);
    expect(packets).toContain('FIN');
  });

  it('contains lost messages, partitions, crashes and restarts', async () => {
    const { recording } = await record(function* (world): Operation<void> {
      const server = world.host('server', echoServer);
      world.partition('main', server);
      yield* group(function* (tasks): Operation<void> {
        tasks.spawn(() => askEcho('server', 'lost'), { daemon: true });
        yield* sleep(100);
      });
      world.crash(server);
      world.restart(server);
      yield* sleep(1);
    });
    const lost = entriesOf(recording, 'lose').map(({ message }) => message);
    const syn = entriesOf(recording, 'send').find(({ text }) => text === 'SYN');
    expect(lost).toContain(syn?.message);
    const kinds = entriesOf(recording, 'world').map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind !== 'drop' && kind !== 'exit')).toEqual([
      'start',
      'start',
      'partition',
      'partition',
      'crash',
      'start',
    ]);
    const last = recording.tasks.findLast(({ host }) => host === 1);
    expect(last?.starts).toBe(2);
  });

  it('contains the choices that differ from their defaults, with their subjects', async () => {
    const { recording } = await record(
      function* (world): Operation<void> {
        world.host('server', echoServer);
        world.random();
        yield* sleep(1);
        yield* askEcho('server', 'Hello');
      },
      { faults: { shortReads: 1 } },
    );
    const choices = entriesOf(recording, 'choice').map(({ kind, subject }) => `${kind} ${subject}`);
    expect(choices).toContain('program ');
    expect(choices).toContain('latency main server');
    expect(choices).toContain('fault server shortReads');
  });

  it('contains why a step began and how it ended, and the chain of the failed task', async () => {
    const { recording, failure } = await record(function* (): Operation<void> {
      yield* group(function* (tasks): Operation<void> {
        tasks.spawn(
          function* () {
            yield;
            yield* sleep(5);
            throw new Error('broken');
          },
          { name: 'worker' },
        );
      });
    });
    const steps = entriesOf(recording, 'step').filter(
      ({ task }) => recording.tasks[task]?.name === 'worker',
    );
    expect(steps.map(({ resumed, waitsFor, state }) => [resumed, waitsFor, state])).toEqual([
      ['start', '', 'waiting'],
      ['', 'sleep 5 ms', 'waiting'],
      ['', '', 'failed'],
    ]);
    expect(steps.at(-1)?.error).toBe('Error: broken');
    const reasons = entriesOf(recording, 'wake').map(({ reason }) => reason);
    expect(reasons).toEqual(['timer', 'task']);
    expect(failure?.chain).toEqual(['main']);
    expect(failure?.host).toBe('main');
  });

  it('calls the hooks of the options as well', async () => {
    const spawned: string[] = [];
    const hooks: Hooks = {
      taskSpawned: ({ name }) => {
        spawned.push(name);
        throw Object.assign(new Error('a broken hook'), { code: 'ERR_LEFT_OPEN' });
      },
    };
    const { recording } = await record(echoScenario, { hooks });
    expect(spawned).toEqual(['main', 'server']);
    expect(recording.tasks.map(({ name }) => name)).toEqual(['main', 'server']);
  });
});

describe('a recorder', () => {
  it('keeps the last entries, and the partitions and crashes before them', () => {
    const recorder = new RunRecorder(100);
    const clock = { now: 0 };
    recorder.begin(clock);
    recorder.event('start', 'a', '', () => '');
    recorder.event('partition', 'a', 'b', () => '');
    for (let i = 1; i <= 1000; i++) {
      clock.now = i;
      recorder.arrived(recorder.sent('a', 'b', '', Buffer.from('x')));
    }
    const { entries, omitted } = recorder.recording();
    const kinds = entriesOf({ entries } as Recording, 'world').map(({ kind }) => kind);
    expect(kinds).toEqual(['start', 'partition']);
    expect(entries.length).toBe(102);
    expect(omitted).toBe(2000 - 100);
    expect(entries.at(-1)).toMatchObject({ type: 'arrive', at: 1000 });
  });

  it('shows the bytes of a message only if they are text', () => {
    const recorder = new RunRecorder();
    for (const bytes of ['one\n', 'x'.repeat(100), '\u0000', 'ä']) {
      recorder.sent('a', 'b', '', Buffer.from(bytes));
    }
    recorder.sent('a', 'b', 'datagram', Buffer.from('hi'));
    recorder.sent('a', 'a', 'within the host is no message', Buffer.from('hi'));
    const texts = entriesOf(recorder.recording(), 'send').map(({ text }) => text);
    expect(texts).toEqual([
      '4 bytes "one\\n"',
      `100 bytes "${'x'.repeat(24)}"…`,
      '1 byte',
      '2 bytes',
      'datagram of 2 bytes "hi"',
    ]);
  });
});
