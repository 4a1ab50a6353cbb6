/** The server in 200 simulated networks, and once on real sockets. */
import { strict as assert } from 'node:assert';
import { test } from 'node:test';
import type { Address, Operation } from 'coronet';
import { connect, group, listen, run, serve, tcpServer } from 'coronet';
import { simulateTest } from 'coronet/sim';
import { serveLines } from '../src/server.ts';

function* ask(address: Address, ...questions: string[]): Operation<(string | null)[]> {
  using socket = yield* connect(address);
  yield* socket.sendAll(questions.map((question) => `${question}\n`).join(''));
  const answers = [];
  for (const _ of questions) answers.push(yield* socket.reader().readLine());
  return answers;
}

simulateTest(
  'the server answers each line, in any network',
  function* (world) {
    world.host('server', () => tcpServer(25000, serveLines));
    assert.deepEqual(yield* ask('server:25000', '1+2', '20+22'), ['3', '42']);
  },
  {
    test,
    runs: 200,
    link: { latencyMs: [1, 200], loss: 0.05 },
    faults: { shortReads: 0.5, shortWrites: 0.5 },
  },
);

test('the server reports a line that is not a sum', async () => {
  const answers = await run(function* () {
    const listener = yield* listen('127.0.0.1:0');
    return yield* group(function* (tasks): Operation<(string | null)[]> {
      tasks.spawn(() => serve(listener, serveLines), { daemon: true });
      return yield* ask(listener.address, 'hello');
    });
  });
  assert.deepEqual(answers, ['error: not a sum: hello']);
});
