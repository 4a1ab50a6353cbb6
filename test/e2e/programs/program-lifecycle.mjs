/**
 * A program that uses the features of `main`: program-lifecycle.mjs OPTIONS, as JSON. The options
 * are those of `main`, and `holds`: handlers that received data never reply; `fails`: onReady
 * throws; `fills`: once ready, the program opens files until no descriptor is left.
 *
 * It prints its ports, when it is ready, and which variables of the service manager its children
 * would inherit. A line on standard input calls `ready()`.
 */
import { openSync } from 'node:fs';
import { health } from '../../../dist/health.js';
import { group, main, once, ready, sleepForever, tcpServer } from '../../../dist/index.js';

const {
  holds = false,
  fails = false,
  fills = false,
  ...options
} = JSON.parse(process.argv[2] ?? '{}');

function print(line) {
  process.stdout.write(`${line}\n`);
}

function* handler(socket) {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    if (holds) yield* sleepForever();
    yield* socket.sendAll(data);
  }
}

function* readyOnInput() {
  process.stdin.unref(); // The parent decides when it closes.
  yield* once(process.stdin, 'data');
  ready();
}

function* program() {
  const names = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'];
  print(`sees ${names.filter((name) => process.env[name] !== undefined)}`);
  yield* group(function* (tasks) {
    const onListening = ({ port }) => print(`health ${port}`);
    tasks.spawn(() => health('127.0.0.1:0', { onListening }), { daemon: true });
    tasks.spawn(readyOnInput, { daemon: true });
    yield* tcpServer('127.0.0.1:0', handler, {
      onListening: (server) => print(`serves ${server.address.port}`),
    });
  });
}

function fill() {
  try {
    for (;;) openSync('/dev/null');
  } catch ({ code }) {
    print(code);
  }
}

await main(program, {
  ...options,
  onReady() {
    if (fails) throw new Error('not ready after all');
    print('ready');
    if (fills) fill();
  },
});
