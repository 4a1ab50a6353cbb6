/** A program at one moment: its tasks, its process, its network and its servers, as plain data. */

import { currentProgram } from '../kernel/current.ts';
import type { NetworkCounters } from '../world/network.ts';
import type { ProcessUsage } from '../world/platform.ts';
import type { RuntimeWorld } from '../world/world.ts';
import type { StepTimes, TaskTime } from './step-times.ts';
import { safeText } from './text.ts';
import type { TaskTree, TaskTreeOptions } from './tree.ts';
import { taskTree } from './tree.ts';

/** Options of `inspectSnapshot`: those of `taskTree`, and the following. */
export interface SnapshotOptions extends TaskTreeOptions {
  /** How late a timer of the event loop fired, in milliseconds, if the caller measures it. Default:
   *  as servers measure it. */
  readonly lagMs?: number;
  /** The times of steps, if the caller observes them. */
  readonly steps?: StepTimes;
}

/** The data of `coronet top` and of the inspection page, as JSON can express it. */
export interface InspectSnapshot extends ProcessUsage {
  /** The version of this format. */
  readonly version: 1;
  readonly pid: number;
  readonly tree: TaskTree;
  readonly loop: {
    /** The longest time for which tasks held the event loop, in milliseconds. */
    readonly longestMs: number;
    /** How late a timer fired, in milliseconds. */
    readonly lagMs: number;
    /** The longest step of a task since steps are timed, and its task. */
    readonly longestStep?: TaskTime;
  };
  readonly network: NetworkCounters;
  /** The servers under `main`: the address as `name`, and the statistics of each. */
  readonly servers: readonly ({ readonly name: string } & Readonly<Record<string, unknown>>)[];
  /** The tasks that ran longest, the longest first; empty unless steps are timed. */
  readonly slowest: readonly TaskTime[];
}

const NO_USAGE: ProcessUsage = {
  title: '',
  node: '',
  coronet: '',
  uptimeMs: 0,
  cpu: { userMs: 0, systemMs: 0 },
  memory: { rss: 0, heapUsed: 0 },
};

/**
 * Returns a snapshot of a program: the task tree, and the numbers of its process, its network and
 * its servers. The program is found as `taskTree` does.
 *
 * Errors: as `taskTree`.
 *
 * @example
 * const { tree, servers } = inspectSnapshot({ maxNodes: 100 });
 */
export function inspectSnapshot(options: SnapshotOptions = {}): InspectSnapshot {
  const { lagMs, steps, ...treeOptions } = options;
  const scheduler = options.scheduler ?? currentProgram();
  const world = (scheduler?.world ?? {}) as Partial<RuntimeWorld>;
  const tree = taskTree(scheduler === undefined ? treeOptions : { ...treeOptions, scheduler });
  const usage = world.platform?.usage?.() ?? NO_USAGE;
  const servers = serversOf(world);
  const lags = servers.map((server) => Number(server['lagMs'] ?? 0));
  return {
    version: 1,
    pid: world.platform?.pid ?? 0,
    ...usage,
    title: safeText(() => usage.title),
    tree,
    loop: {
      longestMs: tree.stats.longestMs,
      lagMs: lagMs ?? Math.max(0, ...lags),
      ...(steps?.longest === undefined ? {} : { longestStep: steps.longest }),
    },
    network: countersOf(world),
    servers,
    slowest: steps?.slowest() ?? [],
  };
}

function countersOf({ networkInUse, network }: Partial<RuntimeWorld>): NetworkCounters {
  const used = networkInUse === undefined ? network : networkInUse;
  return used?.counters() ?? { transports: 0, listeners: 0, datagrams: 0, slabs: 0 };
}

function serversOf({ program }: Partial<RuntimeWorld>): InspectSnapshot['servers'] {
  const servers = [...(program?.servers ?? [])];
  return servers.map((server) => ({
    name: safeText(() => server.address),
    ...server.stats(),
  }));
}
