/** Programs for `run`, one per case: run-cases.mjs CASE. The test checks their output. */
import {
  connect,
  group,
  listen,
  run,
  shield,
  sleep,
  sleepForever,
  tcpServer,
} from '../../../dist/index.js';
import { Parking, park } from '../../../dist/lowlevel.js';

const begun = performance.now();
const LOOPBACK = '127.0.0.1:0';

process.on('exit', (code) =>
  print(`exit ${code} after ${Math.round(performance.now() - begun)} ms`),
);

function print(line) {
  process.stdout.write(`${line}\n`);
}

const cases = {
  *nothing() {},

  *sleeps() {
    yield* sleep(300);
    print('slept');
  },

  *children() {
    yield* group(function* (tasks) {
      for (const ms of [100, 200, 300]) tasks.spawn(() => printLater(ms));
    });
  },

  *fails() {
    yield* sleep(1);
    throw new TypeError('on purpose');
  },

  *parkedForEver() {
    yield* park(new Parking());
  },

  *joinCycle() {
    yield* group(function* (tasks) {
      const first = tasks.spawn(() => second.join(), { name: 'first' });
      const second = tasks.spawn(() => first.join(), { name: 'second' });
    });
  },

  *unwindsFromDeadlock() {
    try {
      yield* park(new Parking());
    } finally {
      yield* shield(() => sleep(50));
      print('cleaned up');
    }
  },

  *accepts() {
    const listener = yield* listen(LOOPBACK);
    setTimeout(() => process.exit(7), 300).unref();
    yield* listener.accept();
  },

  *sleepsForEver() {
    setTimeout(() => process.exit(7), 300).unref();
    yield* sleepForever();
  },

  *leavesOpen() {
    const listener = yield* listen(LOOPBACK);
    yield* connect(listener.address);
    print('left');
  },

  *exitsInTask() {
    yield* sleep(10);
    process.exit(3);
  },

  *exitsInHandler() {
    yield* group(function* (tasks) {
      tasks.spawn(() => tcpServer(LOOPBACK, exitWhenAsked, { onListening: askToExit(tasks) }));
    });
  },
};

function* printLater(ms) {
  yield* sleep(ms);
  print(`child ${ms}`);
}

function* exitWhenAsked(socket) {
  yield* socket.recv();
  process.exit(4);
}

function askToExit(tasks) {
  return (server) => {
    tasks.spawn(function* () {
      const socket = yield* connect(server.address);
      yield* socket.sendAll('now');
      yield* socket.recv();
    });
  };
}

try {
  await run(cases[process.argv[2]]);
  print('resolved');
} catch (error) {
  print(`rejected ${error.name} ${error.code} ${error.message}`);
}
