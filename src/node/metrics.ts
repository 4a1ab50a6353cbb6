/**
 * The page of metrics, in Prometheus text, by prom-client: it knows the figures of the process
 * (memory, CPU, event loop, collector) under the names that dashboards expect, and the text form.
 * It is loaded when the page is asked for, and so costs nothing to programs without one.
 */
import { createRequire } from 'node:module';
import type { Counter, Gauge, Registry } from 'prom-client';
import type { Metric } from '../world/platform.ts';

type Library = typeof import('prom-client');

/** A registry of our own: the library's is for the program. */
interface Page {
  readonly library: Library;
  readonly registry: Registry;
}

let loaded: Page | undefined;

/** Writes the page; `done` is called once, later. */
export function metricsPage(
  metrics: readonly Metric[],
  done: (error: unknown, page: string) => void,
): void {
  load()
    .then((page) => write(page, metrics))
    .then(
      (text) => done(null, text),
      (error) => done(error, ''),
    );
}

/** By `require`, which tries again where it has failed before: there may have been no descriptor
 *  left. A failed `import` is remembered. */
async function load(): Promise<Page> {
  if (loaded !== undefined) return loaded;
  const library = createRequire(import.meta.url)('prom-client') as Library;
  const registry = new library.Registry();
  library.collectDefaultMetrics({ register: registry });
  loaded = { library, registry };
  return loaded;
}

/** The figures are taken at this moment: a fresh registry holds them, as counters must not jump. */
async function write({ library, registry }: Page, metrics: readonly Metric[]): Promise<string> {
  const ours = new library.Registry();
  for (const metric of metrics) fill(library, ours, metric);
  return library.Registry.merge([registry, ours]).metrics();
}

function fill({ Counter, Gauge }: Library, registry: Registry, metric: Metric): void {
  const { kind, name, help, samples } = metric;
  const labelNames = [...new Set(samples.flatMap(({ labels }) => Object.keys(labels)))];
  const settings = { name, help, labelNames, registers: [registry] };
  const made: Counter | Gauge = kind === 'counter' ? new Counter(settings) : new Gauge(settings);
  for (const { labels, value } of samples) made.inc(labels, value);
}
