/** `workers` on a virtual clock, with processes that a test drives. */

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

/** What a test sees of the workers that it supervises. */
export class Supervised {
  readonly platform: FakePlatform = new FakePlatform();
  readonly events: WorkerEvent[] = [];
  /** Set once all are ready. */
  running: Workers | undefined;
  task!: Task<void>;
  /** What the program's page of metrics shows of the workers. */
  figures!: StatsSource;
  /** The clock of the supervisor, and who runs it. */
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
        this.figures = server;
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

  /** Waits until `count` processes have been started, and gives the last. */
  *started(count: number): Generator<Wait, FakeProcess> {
    while (this.processes.length < count) yield* sleep(1);
    return this.process(count - 1);
  }

  /** Waits until the process was told `what`. */
  *toldTo(process: FakeProcess, what: string): Generator<Wait, void> {
    while (!process.told.includes(what)) yield* sleep(1);
  }

  /** The first `count` processes become ready, one after the other. */
  *begin(count: number): Generator<Wait, Workers> {
    for (let index = 1; index <= count; index++) (yield* this.started(index)).ready();
    while (this.running === undefined) yield* sleep(1);
    return this.running;
  }

  /** All that run do what they are asked. */
  *endAll(): Generator<Wait, void> {
    for (const process of this.processes) {
      if (process.ended) continue;
      yield* this.toldTo(process, 'stop');
      process.end({ code: 0 });
    }
  }
}

/** Runs `workers(count, 'module.mjs', options)` beside `body`. Throws what either does. */
export function supervising(
  count: number | 'auto',
  options: WorkersOptions,
  body: (seen: Supervised) => Generator<Wait, void>,
): Supervised {
  const seen = new Supervised();
  const told: WorkersOptions = {
    onEvent: (event) => seen.events.push(event),
    ...options,
    onReady: (running) => {
      seen.running = running;
      options.onReady?.(running);
    },
  };
  const program = function* (): Generator<Wait, void> {
    yield* group(function* (tasks) {
      seen.task = tasks.spawn(() => workers(count, 'module.mjs', told));
      yield* body(seen);
    });
  };
  try {
    seen.host.play(program);
  } catch (error) {
    throw (error as AggregateError).errors?.[0] ?? error;
  }
  return seen;
}
