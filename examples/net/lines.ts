// A line protocol: one request per line, one response per line. The Reader keeps bytes that arrive
// early; the Writer combines small pieces into one send.
import type { Operation, Socket } from 'coronet';
import { connect, group, listen, run, serve } from 'coronet';

function* calculator(socket: Socket): Operation<void> {
  const reader = socket.reader({ max: 200 });
  const writer = socket.writer();
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    const numbers = line.split('+').map(Number);
    writer.write(String(numbers.reduce((sum, number) => sum + number, 0)));
    writer.write('\r\n');
    if (reader.buffered === 0) yield* writer.flush(); // no further request yet
  }
}

function* ask(socket: Socket, ...questions: string[]): Operation<void> {
  yield* socket.sendAll(questions.map((question) => `${question}\n`).join(''));
  const reader = socket.reader();
  for (const question of questions) {
    console.log(`${question} = ${yield* reader.readLine()}`);
  }
}

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => serve(listener, calculator), { daemon: true });
    using socket = yield* connect(listener.address, { timeoutMs: 5000 });
    yield* ask(socket, '1+2', '20+22');
    yield* ask(socket, '0.5+0.25');
  });
});

// Output:
// 1+2 = 3
// 20+22 = 42
// 0.5+0.25 = 0.75
