/**
 * The metrics page, in Prometheus text format, by prom-client. The library provides the process
 * metrics (memory, CPU, event loop, garbage collector) under the names that dashboards expect, and
 * the text format. It is loaded at the first request, so programs without the page do not pay for
 * it.
 */
import { createRequire } from 'node:module';
import type { Counter, Gauge, Registry } from 'prom-client';
import type { Metric } from '../world/platform.ts';

type Library = typeof import('prom-client');

/** A separate registry: the global one of the library belongs to the program. */
interface Page {
  readonly library: Library;
  readonly registry: Registry;
}

let loaded: Page | undefined;

/** Writes the page. `done` is called once, asynchronously. */
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

/**
 * Uses `require` because it retries after a failure, such as a lack of descriptors. A failed
 * `import` is cached.
 */
async function load(): Promise<Page> {
  if (loaded !== undefined) return loaded;
  const library = createRequire(import.meta.url)('prom-client') as Library;
  const registry = new library.Registry();
  library.collectDefaultMetrics({ register: registry });
  loaded = { library, registry };
  return loaded;
}

/** Copies the current values into a new registry: its counters cannot be set to a value. */
async function write({ library, registry }: Page, metrics: readonly Metric[]): Promise<string> {
  const current = new library.Registry();
  for (const metric of metrics) addMetric(library, current, metric);
  return library.Registry.merge([registry, current]).metrics();
}

function addMetric({ Counter, Gauge }: Library, registry: Registry, metric: Metric): void {
  const { kind, name, help, samples } = metric;
  const labelNames = [...new Set(samples.flatMap(({ labels }) => Object.keys(labels)))];
  const settings = { name, help, labelNames, registers: [registry] };
  const instrument: Counter | Gauge =
    kind === 'counter' ? new Counter(settings) : new Gauge(settings);
  for (const { labels, value } of samples) instrument.inc(labels, value);
}
