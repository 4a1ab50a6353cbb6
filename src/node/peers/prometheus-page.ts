/**
 * Writes the metrics page with prom-client, which provides the metrics of the process (memory, CPU,
 * event loop, garbage collection) under their usual names, and the Prometheus text format. It is an
 * optional peer dependency and is loaded at the first request of the page.
 */
import type { Registry } from 'prom-client';
import { CoronetError } from '../../kernel/errors.ts';
import type { Metric } from '../../world/platform.ts';
import { stderr } from '../process/line-output.ts';
import { requirePeer } from './require-peer.ts';

type Library = typeof import('prom-client');

interface LoadedLibrary {
  readonly library: Library;
  /** The metrics of the process. The default registry of the library belongs to the program. */
  readonly processMetrics: Registry;
}

let loaded: LoadedLibrary | undefined;
let isMissingReported = false;

/** Writes the page; `done` is called once, later. Error: ERR_MISSING_PEER without prom-client. */
export function metricsPage(
  metrics: readonly Metric[],
  done: (error: unknown, page: string) => void,
): void {
  write(metrics).then(
    (text) => done(null, text),
    (error) => done(error, ''),
  );
}

/** A new registry holds the samples, because counters of an existing one cannot be set. */
async function write(metrics: readonly Metric[]): Promise<string> {
  const { library, processMetrics } = load();
  const registry = new library.Registry();
  for (const { kind, name, help, samples } of metrics) {
    const labelNames = [...new Set(samples.flatMap(({ labels }) => Object.keys(labels)))];
    const options = { name, help, labelNames, registers: [registry] };
    const metric = kind === 'counter' ? new library.Counter(options) : new library.Gauge(options);
    for (const { labels, value } of samples) metric.inc(labels, value);
  }
  return library.Registry.merge([processMetrics, registry]).metrics();
}

function load(): LoadedLibrary {
  if (loaded !== undefined) return loaded;
  const library = requireLibrary();
  const processMetrics = new library.Registry();
  library.collectDefaultMetrics({ register: processMetrics });
  loaded = { library, processMetrics };
  return loaded;
}

/** A missing library is also reported on standard error, once: a scraper may not show it. */
function requireLibrary(): Library {
  try {
    return requirePeer('prom-client', '/metrics') as Library;
  } catch (error) {
    if (error instanceof CoronetError && !isMissingReported) {
      isMissingReported = true;
      stderr.write(`coronet: ${error.message}`);
    }
    throw error;
  }
}
