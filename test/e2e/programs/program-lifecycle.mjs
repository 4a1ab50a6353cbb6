/**
 * A program with everything that `main` gives: framed.mjs OPTIONS, as JSON. The options are those
 * of `main`, and `holds`: handlers that received something never answer; `fails`: onReady throws;
 * `fills`: once it is ready it opens files until there is no descriptor left.
 * It says its ports, when it is ready, and what a child of it would see of its manager. A line on
 * standard input calls `ready()`.
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

function say(line) {
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

function* tellWhenAsked() {
  process.stdin.unref(); // It is open as long as the parent likes.
  yield* once(process.stdin, 'data');
  ready();
}

function* program() {
  const names = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'];
  say(`sees ${names.filter((name) => process.env[name] !== undefined)}`);
  yield* group(function* (tasks) {
    const onListening = ({ port }) => say(`health ${port}`);
    tasks.spawn(() => health('127.0.0.1:0', { onListening }), { daemon: true });
    tasks.spawn(tellWhenAsked, { daemon: true });
    yield* tcpServer('127.0.0.1:0', handler, {
      onListening: (server) => say(`serves ${server.address.port}`),
    });
  });
}

function fill() {
  try {
    for (;;) openSync('/dev/null');
  } catch ({ code }) {
    say(code);
  }
}

await main(program, {
  ...options,
  onReady() {
    if (fails) throw new Error('not ready after all');
    say('ready');
    if (fills) fill();
  },
});
