/** Figures of the scheduler and of servers, as metrics. */
import { all } from '../../flow/combinators/all.ts';
import { runningTask } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Parking } from '../../kernel/parking.ts';
import type { SchedulerStats } from '../../kernel/scheduler.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { checkpoint, park } from '../../kernel/waits.ts';
import { currentWorld } from '../../net/current-world.ts';
import type { Metric, MetricSample } from '../../world/platform.ts';

/** Whose figures can be told. */
export interface MetricsSource {
  /** Numbers by name; a number inside of a record is told apart by its name there. */
  stats(): object;
  /**
   * Run before `stats()` for a page, for 2 s at most: figures that lie elsewhere are fetched here.
   * Pages may ask at the same time. What it throws is told instead of the figures.
   */
  refresh?(): Operation<void>;
}

/** The most time for all that has to be fetched: it is a part of what a request may take. */
const REFRESH_TIMEOUT_MS = 2000;

/** Figures that go down again; all others only grow. */
const GAUGES: ReadonlySet<string> = new Set([
  'open',
  'idle',
  'busy',
  'closing',
  'queue',
  'queued',
  'stalled',
  'bufferedBytes',
  'maxConnections',
  'lagMs',
  'longestMs',
  'longestTurnMs',
]);

/** The same, inside of another figure. */
const NESTED_GAUGES: ReadonlySet<string> = new Set(['pending', 'waiting']);

/** More figures than that is a mistake of a `stats()` of the program's own. */
const MAX_SAMPLES = 1000;

/** Has figures fetched that lie elsewhere. What has not come in time is shown as it was. */
export function* refreshAll(
  observed: readonly (readonly [string, MetricsSource])[],
): Generator<Wait, void> {
  const refreshes = observed.flatMap(([, each]) => {
    return each.refresh === undefined ? [] : [() => (each as Required<MetricsSource>).refresh()];
  });
  if (refreshes.length > 0) yield* moveOnAfter(REFRESH_TIMEOUT_MS, () => all(refreshes));
}

/** The metrics of the scheduler that runs this task, and of what is observed. */
export function collectMetrics(
  observed: readonly (readonly [string, MetricsSource])[],
): readonly Metric[] {
  const metrics = schedulerMetrics(runningTask().scheduler.stats());
  const servers = new Map<string, MetricBuilder>();
  for (const [server, { stats }] of observed.map(readStats)) {
    for (const [figure, value] of Object.entries(stats)) addStat(servers, server, figure, value);
  }
  return [...metrics, ...servers.values()];
}

function readStats([name, each]: readonly [string, MetricsSource]): readonly [
  string,
  { stats: object },
] {
  return [name, { stats: each.stats() }];
}

function schedulerMetrics(stats: SchedulerStats): readonly Metric[] {
  const gauge = (name: string, help: string, value: number): Metric =>
    metric('gauge', name, help, value);
  const counter = (name: string, help: string, value: number): Metric =>
    metric('counter', name, help, value);
  return [
    gauge('tasks', 'Tasks that have not ended.', stats.tasks),
    gauge('tasks_ready', 'Tasks that are ready to run.', stats.ready),
    gauge('timers', 'Sleeps and deadlines.', stats.timers),
    counter('tasks_spawned_total', 'Tasks that were started.', stats.spawned),
    counter('steps_total', 'Steps of tasks.', stats.steps),
    counter('batches_total', 'Batches of steps.', stats.batches),
    gauge(
      'longest_turn_seconds',
      'The longest time in which nothing but tasks ran.',
      stats.longestMs / 1000,
    ),
  ];
}

function metric(kind: Metric['kind'], name: string, help: string, value: number): Metric {
  return { kind, name: `coronet_${name}`, help, samples: [{ labels: {}, value }] };
}

interface MetricBuilder extends Metric {
  readonly samples: MetricSample[];
}

/**
 * A number, or a record of numbers: then `kind` tells them apart. A supervisor of workers has such
 * a record as single figures, "closed.handler". Texts are no figures.
 */
function addStat(
  into: Map<string, MetricBuilder>,
  server: string,
  figure: string,
  value: unknown,
): void {
  if (typeof value === 'number') {
    const [name = '', kind] = figure.split('.', 2);
    return addSample(into, name, kind === undefined ? { server } : { server, kind }, value);
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [kind, inner] of Object.entries(value)) {
    if (typeof inner === 'number') addSample(into, figure, { server, kind }, inner);
  }
}

function addSample(
  into: Map<string, MetricBuilder>,
  figure: string,
  labels: Readonly<Record<string, string>>,
  value: number,
): void {
  const isKnown = GAUGES.has(figure) || NESTED_GAUGES.has(labels['kind'] ?? '');
  // What is below zero has gone down: a counter that does would cost the whole page.
  const isGauge = isKnown || value < 0;
  const kind = isGauge ? 'gauge' : 'counter';
  const inSeconds = figure.endsWith('Ms');
  const plain = snakeCase(figure.replace(/Ms$/, inSeconds ? 'Seconds' : ''));
  const name = `coronet_server_${plain}${kind === 'counter' ? '_total' : ''}`;
  const help = `\`${figure}\` of server.stats().`;
  const made = into.get(name) ?? { kind, name, help, samples: [] };
  if (made.samples.length >= MAX_SAMPLES || !Number.isFinite(value)) return;
  made.samples.push({ labels, value: inSeconds ? value / 1000 : value });
  into.set(name, made);
}

/** Letters and digits only: the rest has no place in a name of Prometheus. */
function snakeCase(text: string): string {
  const words = text.replace(/[^A-Za-z0-9]+/g, '_').replace(/([a-z0-9])([A-Z])/g, '$1_$2');
  return words.toLowerCase();
}

/**
 * The page with these metrics and those of the process.
 * Cancel: the page is dropped.
 */
export function* metricsPage(metrics: readonly Metric[]): Generator<Wait, string> {
  yield* checkpoint();
  const place = new Parking('the metrics page', { external: true });
  currentWorld().platform.metricsPage(metrics, (error, page) => {
    if (error === null || error === undefined) place.wake(page);
    else place.fail(error);
  });
  return yield* park<string>(place);
}
