/** Runs `workers` on a virtual clock, with worker processes that a test drives. */

import type { Wait } from '../../../src/kernel/operation.ts';
import { group } from '../../../src/kernel/task/group.ts';
import type { Task } from '../../../src/kernel/task/task.ts';
import { sleep } from '../../../src/kernel/waits.ts';
import type { WorkerEvent, Workers, WorkersOptions } from '../../../src/server/workers/workers.ts';
import { workers } from '../../../src/server/workers/workers.ts';
import type { Program, StatsSource } from '../../../src/world/world.ts';
import { VirtualHost } from '../kernel/virtual-host.ts';
import type { FakeProcess } from './fake-platform.ts';
import { FakePlatform } from './fake-platform.ts';

/** The workers under test. */
export class SupervisedWorkers {
  readonly platform: FakePlatform = new FakePlatform();
  readonly events: WorkerEvent[] = [];
  /** Set once all workers are ready. */
  running: Workers | undefined;
  task!: Task<void>;
  /** The source of statistics that was registered with the program. */
  statsSource!: StatsSource;
  /** The host of the supervisor, with its clock. */
  readonly host: VirtualHost;

  constructor() {
    const { platform } = this;
    this.host = new VirtualHost({ world: { platform, program: this.#program() } });
  }

  #program(): Program {
    return {
      ready: true,
      stopping: false,
      replaced: false,
      servers: [],
      becomeReady: () => {},
      serverListens: (server) => {
        this.statsSource = server;
      },
      serverEnds: () => {},
    };
  }

  get processes(): readonly FakeProcess[] {
    return this.platform.processes;
  }

  process(index: number): FakeProcess {
    return this.processes[index] as FakeProcess;
  }

  /** The pauses before restarts, in milliseconds. */
  get pauses(): number[] {
    return this.events.flatMap((event) => (event.kind === 'ended' ? (event.restartMs ?? []) : []));
  }

  kinds(): string[] {
    return this.events.map(({ kind }) => kind);
  }

  /** Waits until `count` processes have been started, and returns the last one. */
  *started(count: number): Generator<Wait, FakeProcess> {
    while (this.processes.length < count) yield* sleep(1);
    return this.process(count - 1);
  }

  /** Waits until the process has received the message or signal `what`. */
  *untilReceived(process: FakeProcess, what: string): Generator<Wait, void> {
    while (!process.received.includes(what)) yield* sleep(1);
  }

  /** Makes the first `count` processes ready, one after the other. */
  *begin(count: number): Generator<Wait, Workers> {
    for (let index = 1; index <= count; index++) (yield* this.started(index)).ready();
    while (this.running === undefined) yield* sleep(1);
    return this.running;
  }

  /** Ends all running processes once they have received 'stop'. */
  *endAll(): Generator<Wait, void> {
    for (const process of this.processes) {
      if (process.ended) continue;
      yield* this.untilReceived(process, 'stop');
      process.end({ code: 0 });
    }
  }
}

/** Runs `workers(count, 'module.mjs', options)` and `body`; throws the first error. */
export function superviseWorkers(
  count: number | 'auto',
  options: WorkersOptions,
  body: (supervised: SupervisedWorkers) => Generator<Wait, void>,
): SupervisedWorkers {
  const supervised = new SupervisedWorkers();
  const allOptions: WorkersOptions = {
    onEvent: (event) => supervised.events.push(event),
    ...options,
    onReady: (running) => {
      supervised.running = running;
      options.onReady?.(running);
    },
  };
  const program = function* (): Generator<Wait, void> {
    yield* group(function* (tasks) {
      supervised.task = tasks.spawn(() => workers(count, 'module.mjs', allOptions));
      yield* body(supervised);
    });
  };
  try {
    supervised.host.play(program);
  } catch (error) {
    throw (error as AggregateError).errors?.[0] ?? error;
  }
  return supervised;
}
