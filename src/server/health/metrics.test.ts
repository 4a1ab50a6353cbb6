import { expect, it } from 'vitest';
import { play } from '../../../test/support/kernel/virtual-host.ts';
import type { Operation } from '../../kernel/operation.ts';
import { collectMetrics } from './metrics.ts';

/** The metrics of `stats`, as a page would show them: "counter name{labels} value". */
function linesOf(stats: object): string[] {
  const metrics = play(function* (): Operation<ReturnType<typeof collectMetrics>> {
    return collectMetrics([['a', { stats: () => stats }]]);
  });
  const ofServers = metrics.filter(({ name }) => name.startsWith('coronet_server_'));
  return ofServers.flatMap(({ kind, name, samples }) =>
    samples.map(({ labels, value }) => `${kind} ${name}${JSON.stringify(labels)} ${value}`),
  );
}

it('a figure is a counter, or a gauge where it goes down again; times are in seconds', () => {
  expect(linesOf({ accepted: 3, open: 2, longestTurnMs: 12, backend: 'epoll' })).toEqual([
    'counter coronet_server_accepted_total{"server":"a"} 3',
    'gauge coronet_server_open{"server":"a"} 2',
    'gauge coronet_server_longest_turn_seconds{"server":"a"} 0.012',
  ]);
});

it('a record of figures is one metric, told apart by kind', () => {
  const expected = [
    'counter coronet_server_closed_total{"server":"a","kind":"handler"} 5',
    'counter coronet_server_closed_total{"server":"a","kind":"idleTimeoutMs"} 2',
  ];
  expect(linesOf({ closed: { handler: 5, idleTimeoutMs: 2 } })).toEqual(expected);
});

it('the sums of a supervisor have the same names as the figures of a server', () => {
  const sums = { 'closed.handler': 5, 'closed.idleTimeoutMs': 2 };
  expect(linesOf(sums)).toEqual(linesOf({ closed: { handler: 5, idleTimeoutMs: 2 } }));
});

it('what goes down again inside of a record is a gauge beside it', () => {
  expect(linesOf({ handshakes: { pending: 1, completed: 7 } })).toEqual([
    'gauge coronet_server_handshakes{"server":"a","kind":"pending"} 1',
    'counter coronet_server_handshakes_total{"server":"a","kind":"completed"} 7',
  ]);
});

it('a figure below zero is a gauge, since no counter is ever there', () => {
  expect(linesOf({ balance: -3, temperatures: { inside: 20, outside: -5 } })).toEqual([
    'gauge coronet_server_balance{"server":"a"} -3',
    'counter coronet_server_temperatures_total{"server":"a","kind":"inside"} 20',
    'gauge coronet_server_temperatures{"server":"a","kind":"outside"} -5',
  ]);
});
