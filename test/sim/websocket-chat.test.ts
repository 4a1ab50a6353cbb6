/** The example of a WebSocket chat under crashes, partitions and loss. */
import { expect, test } from 'vitest';
import chat from '../../examples/simulation/websocket-chat.ts';
import { simulate } from '../../src/sim.ts';

test('every line of a WebSocket chat is echoed despite a crash, a partition and loss', async () => {
  const report = await simulate(chat.scenario, { ...chat.options, runs: 100 });
  expect(report.runs).toBe(100);
});
