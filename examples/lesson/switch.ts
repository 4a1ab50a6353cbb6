// Prints a task switch: `reader` waits for bytes, `writer` sends them, and the scheduler resumes
// `reader`. The hooks of a run print each step of the scheduler.
import type { Hooks, Operation, Socket } from 'coronet';
import { all, connect, group, listen, run } from 'coronet';

let isTracing = false;

function print(line: string): void {
  if (isTracing) console.log(line);
}

const hooks: Hooks = {
  batchBegins: (ready) => ready > 0 && print(`batch of ${ready}`),
  stepBegins: ({ name }) => print(`  ${name} runs`),
  taskWaits: ({ name }, wait) => print(`  ${name} waits, reason: ${wait?.[0] ?? 'none'}`),
  taskWakes: ({ name }) => print(`${name} is ready`),
  taskFinished: ({ name, state }) => print(`  ${name} is ${state}`),
};

function* reader(socket: Socket): Operation<void> {
  const data = yield* socket.recv(1000);
  print(`    received ${data}`);
}

function* writer(socket: Socket): Operation<void> {
  yield; // the reader runs first, and waits
  print('    sends Hello');
  yield* socket.sendAll('Hello');
}

await run(
  function* () {
    const listener = yield* listen('127.0.0.1:0');
    const sockets = { sender: connect(listener.address), receiver: listener.accept() };
    const { sender, receiver } = yield* all(sockets);
    isTracing = true;
    yield* group(function* (tasks) {
      tasks.spawn(() => reader(receiver), { name: 'reader' });
      tasks.spawn(() => writer(sender), { name: 'writer' });
    });
    isTracing = false;
    for (const socket of [sender, receiver, listener]) socket.close();
  },
  { hooks },
);

// Output:
//   main waits, reason: park
// batch of 2
//   reader runs
//   reader waits, reason: recv
//   writer runs
//   writer waits, reason: none
// writer is ready
// batch of 1
//   writer runs
//     sends Hello
//   writer is done
// reader is ready
// batch of 1
//   reader runs
//     received Hello
//   reader is done
// main is ready
// batch of 1
//   main runs
