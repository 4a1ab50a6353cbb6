/** Collects the statistics of the scheduler and of servers as metrics. */
import { all } from '../../flow/combinators/all.ts';
import { runningTask } from '../../kernel/current.ts';
import type { Operation, Wait } from '../../kernel/operation.ts';
import { Parking } from '../../kernel/parking.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { checkpoint, park } from '../../kernel/waits.ts';
import { currentWorld } from '../../net/current-world.ts';
import type {
  Metric,
  MetricDefinition,
  MetricDefinitions,
  MetricSample,
} from '../../world/platform.ts';
import type { StatsSource } from '../../world/world.ts';
import { counter, gauge, longest, numbersIn } from '../stats.ts';

/** An object whose statistics `/metrics` shows, such as a server. */
export interface MetricsSource {
  /** Numbers by name. A record of numbers is one metric; its names become the label `kind`. */
  stats(): object;
  /**
   * Declares the numbers: counter or gauge, help text, unit. A number that is not declared is a
   * gauge, in seconds if its name ends in "Ms".
   */
  readonly metrics?: MetricDefinitions;
  /**
   * The metrics are called `coronet_PREFIX_…`, and the label PREFIX is the name of the source. A
   * letter, then letters, digits and underscores. Default 'server'.
   */
  readonly metricsPrefix?: string;
  /**
   * Fetches what `stats()` returns then. It runs before each page, for at most 2 s, concurrently
   * for concurrent requests. An error is returned in place of the page.
   */
  refresh?(): Operation<void>;
}

export type NamedSource = readonly [
  name: string,
  source: MetricsSource & Pick<StatsSource, 'workers'>,
];

/** Time limit for `refresh` of all sources, well below the time limit of a request. */
const REFRESH_TIMEOUT_MS = 2000;

/** Maximum number of samples of a metric. More are an error of the program's own `stats()`. */
const MAX_SAMPLES = 1000;

const SCHEDULER_METRICS = {
  tasks: gauge('Tasks that have not ended.'),
  tasksReady: gauge('Tasks that are ready to run.'),
  timers: gauge('Sleeps and deadlines.'),
  tasksSpawned: counter('Tasks that were started.'),
  steps: counter('Steps of tasks.'),
  batches: counter('Batches of steps.'),
  longestTurnMs: longest('The longest time for which tasks kept the event loop.'),
} as const;

const WORKER_METRICS = {
  workers: gauge('Workers that are to run.'),
  workersReady: gauge('Workers that are ready.'),
} as const;

/** Runs `refresh` of the sources. Sources that exceed the time limit keep their old statistics. */
export function* refreshAll(sources: readonly NamedSource[]): Generator<Wait, void> {
  const refreshes = sources.flatMap(([, source]) => {
    return source.refresh === undefined
      ? []
      : [() => (source as Required<MetricsSource>).refresh()];
  });
  if (refreshes.length > 0) yield* moveOnAfter(REFRESH_TIMEOUT_MS, () => all(refreshes));
}

/** The metrics of the scheduler that runs this task, and of `sources`. */
export function collectMetrics(sources: readonly NamedSource[]): readonly Metric[] {
  const page = new Page();
  const { tasks, ready, timers, spawned, steps, batches, longestMs } =
    runningTask().scheduler.stats();
  const values = { tasks, tasksReady: ready, timers, tasksSpawned: spawned, steps, batches };
  for (const [name, value] of Object.entries({ ...values, longestTurnMs: longestMs })) {
    page.add(name, SCHEDULER_METRICS[name as keyof typeof SCHEDULER_METRICS], {}, value);
  }
  for (const [sourceName, source] of sources) {
    const { metricsPrefix: prefix = 'server', workers } = source;
    const ofSource = { [prefix]: sourceName };
    for (const [name, value] of numbersIn(source.stats())) {
      const [stat, kind] = splitName(name);
      const definition = source.metrics?.[name] ?? source.metrics?.[stat] ?? undeclared(stat);
      const labels = kind === undefined ? ofSource : { ...ofSource, kind };
      page.add(`${prefix}_${stat}`, definition, labels, value);
    }
    if (workers === undefined) continue;
    page.add(`${prefix}_workers`, WORKER_METRICS.workers, ofSource, workers.wanted);
    page.add(`${prefix}_workersReady`, WORKER_METRICS.workersReady, ofSource, workers.ready);
  }
  return [...page.metrics.values()];
}

/** The number 'closed.cut' is the sample with kind 'cut' of the metric 'closed'. */
function splitName(name: string): readonly [stat: string, kind: string | undefined] {
  const dot = name.indexOf('.');
  return dot < 0 ? [name, undefined] : [name.slice(0, dot), name.slice(dot + 1)];
}

function undeclared(stat: string): MetricDefinition {
  const definition = gauge(`\`${stat}\` of stats().`);
  return stat.endsWith('Ms') ? { ...definition, unit: 'milliseconds' } : definition;
}

class Page {
  readonly metrics = new Map<string, Metric & { readonly samples: MetricSample[] }>();

  add(
    stat: string,
    { kind, unit, help }: MetricDefinition,
    labels: MetricSample['labels'],
    value: number,
  ): void {
    const inSeconds = unit === 'milliseconds';
    const base = snakeCase(inSeconds ? `${stat.replace(/Ms$/, '')}Seconds` : stat);
    const name = `coronet_${base}${kind === 'counter' ? '_total' : ''}`;
    const metric = this.metrics.get(name) ?? { kind, name, help, samples: [] };
    if (metric.samples.length >= MAX_SAMPLES || !isValid(metric.kind, value)) return;
    metric.samples.push({ labels, value: inSeconds ? value / 1000 : value });
    this.metrics.set(name, metric);
  }
}

/** prom-client rejects the whole page for a negative counter. */
function isValid(kind: Metric['kind'], value: number): boolean {
  return Number.isFinite(value) && (kind === 'gauge' || value >= 0);
}

/** Names of Prometheus consist of letters, digits and underscores. */
function snakeCase(text: string): string {
  const words = text.replace(/[^A-Za-z0-9]+/g, '_').replace(/([a-z0-9])([A-Z])/g, '$1_$2');
  return words.toLowerCase();
}

/** The page with `metrics` and those of the process. Cancel: the page is discarded. */
export function* metricsPage(metrics: readonly Metric[]): Generator<Wait, string> {
  yield* checkpoint();
  const parking = new Parking('the metrics page', { external: true });
  currentWorld().platform.metricsPage(metrics, (error, page) => {
    if (error === null || error === undefined) parking.wake(page);
    else parking.fail(error);
  });
  return yield* park<string>(parking);
}
