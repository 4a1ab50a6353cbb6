/** coronet/health: a listener that answers /livez, /readyz and /metrics, and shows a live page. */
export { type HealthOptions, health } from './server/health/health.ts';
export type { InspectOptions } from './server/health/inspect.ts';
export type { MetricsSource } from './server/health/metrics.ts';
export type { MetricDefinition, MetricDefinitions } from './world/platform.ts';
