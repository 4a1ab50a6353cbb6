/** coronet/health: a listener that answers /livez, /readyz and /metrics. */
export { type HealthOptions, health } from './server/health/health.ts';
export type { MetricsSource } from './server/health/metrics.ts';
export type { MetricDefinition, MetricDefinitions } from './world/platform.ts';
