/** Metrics: how the numbers of a source become counters and gauges. */
import { describe, expect, it } from 'vitest';
import { play } from '../../../test/support/kernel/virtual-host.ts';
import type { Operation } from '../../kernel/operation.ts';
import type { MetricDefinitions } from '../../world/platform.ts';
import { SERVER_METRICS } from '../stats.ts';
import type { MetricsSource } from './metrics.ts';
import { collectMetrics } from './metrics.ts';

/** The metrics of a source as lines "kind name{labels} value". */
function linesOf(
  stats: object,
  metrics: MetricDefinitions = {},
  options: Pick<MetricsSource, 'metricsPrefix'> = {},
): string[] {
  const source = { stats: () => stats, metrics, ...options };
  const collected = play(function* (): Operation<ReturnType<typeof collectMetrics>> {
    return collectMetrics([['a', source]]);
  });
  const start = `coronet_${options.metricsPrefix ?? 'server'}_`;
  const ofSource = collected.filter(({ name }) => name.startsWith(start));
  return ofSource.flatMap(({ kind, name, samples }) =>
    samples.map(({ labels, value }) => `${kind} ${name}${JSON.stringify(labels)} ${value}`),
  );
}

describe('metrics of a server', () => {
  it('have the kind of their definition, and times are in seconds', () => {
    const stats = { accepted: 3, open: 2, longestTurnMs: 12, backend: 'epoll' };
    expect(linesOf(stats, SERVER_METRICS)).toEqual([
      'counter coronet_server_accepted_total{"server":"a"} 3',
      'gauge coronet_server_open{"server":"a"} 2',
      'gauge coronet_server_longest_turn_seconds{"server":"a"} 0.012',
    ]);
  });

  it('a record of numbers is one metric with the label kind', () => {
    const expected = [
      'counter coronet_server_closed_total{"server":"a","kind":"handler"} 5',
      'counter coronet_server_closed_total{"server":"a","kind":"idleTimeoutMs"} 2',
    ];
    expect(linesOf({ closed: { handler: 5, idleTimeoutMs: 2 } }, SERVER_METRICS)).toEqual(expected);
  });

  it('the totals of workers have the same names as the statistics of a server', () => {
    const totals = { 'closed.handler': 5, 'closed.idleTimeoutMs': 2 };
    const stats = { closed: { handler: 5, idleTimeoutMs: 2 } };
    expect(linesOf(totals, SERVER_METRICS)).toEqual(linesOf(stats, SERVER_METRICS));
  });

  it('a record may contain both gauges and counters', () => {
    expect(linesOf({ handshakes: { pending: 1, completed: 7 } }, SERVER_METRICS)).toEqual([
      'gauge coronet_server_handshakes{"server":"a","kind":"pending"} 1',
      'counter coronet_server_handshakes_total{"server":"a","kind":"completed"} 7',
    ]);
  });
});

describe('metrics of another source', () => {
  it('are gauges, also if a number has the name of a counter of a server', () => {
    expect(linesOf({ accepted: 3, depth: -1, temperatures: { inside: 20 }, waitMs: 5 })).toEqual([
      'gauge coronet_server_accepted{"server":"a"} 3',
      'gauge coronet_server_depth{"server":"a"} -1',
      'gauge coronet_server_temperatures{"server":"a","kind":"inside"} 20',
      'gauge coronet_server_wait_seconds{"server":"a"} 0.005',
    ]);
  });

  it('are counters if the source declares them', () => {
    const metrics = { jobs: { kind: 'counter', help: 'Finished jobs.' } } as const;
    expect(linesOf({ jobs: 4, depth: 2 }, metrics)).toEqual([
      'counter coronet_server_jobs_total{"server":"a"} 4',
      'gauge coronet_server_depth{"server":"a"} 2',
    ]);
  });

  it('begin with the prefix of the source, which is also the label for its name', () => {
    const lines = linesOf({ depth: 2, jobs: { done: 7 } }, {}, { metricsPrefix: 'queue' });
    expect(lines).toEqual([
      'gauge coronet_queue_depth{"queue":"a"} 2',
      'gauge coronet_queue_jobs{"queue":"a","kind":"done"} 7',
    ]);
  });

  it('do not include values that Prometheus rejects: NaN, and negative counters', () => {
    const metrics = { jobs: { kind: 'counter', help: 'Finished jobs.' } } as const;
    expect(linesOf({ jobs: -1, depth: Number.NaN }, metrics)).toEqual([]);
  });
});
