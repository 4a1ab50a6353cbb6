/**
 * The memory of an idle connection, as the slope between two numbers of connections. The compilers
 * of V8 may add memory at any time, so the smaller of two slopes counts.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { loadAddon } from '../../src/node/addon.ts';

const ENTRY = fileURLToPath(new URL('../../dist/index.js', import.meta.url));

/** An idle connection of an echo server has 1,250 to 1,360 bytes on Node 20 to 26. */
const MAX_HEAP_BYTES = 1450;
const FEW = 500;
const MORE = 1500;
/** Connections that are opened at the same time. */
const AT_ONCE = 50;

/** Prints its port, and for each line on stdin the used bytes of the heap after a collection. */
const SERVER = `
  import { run, tcpServer } from ${JSON.stringify(ENTRY)};
  process.stdin.on('data', () => {
    for (let i = 0; i < 4; i++) gc();
    console.log(process.memoryUsage().heapUsed);
  });
  function* echo(socket) {
    for (;;) {
      const data = yield* socket.recv();
      if (data.length === 0) return;
      yield* socket.sendAll(data);
    }
  }
  const onListening = (server) => console.log(server.address.port);
  await run(() => tcpServer('127.0.0.1:0', echo, { onListening }), { backend: 'epoll' });`;

/** Opens `count` connections, each with one echo. */
async function open(port: number, count: number, sockets: Socket[]): Promise<void> {
  for (let opened = 0; opened < count; opened += AT_ONCE) {
    const group = Array.from({ length: AT_ONCE }, () => connect(port, '127.0.0.1'));
    sockets.push(...group);
    for (const socket of group) socket.write('a message');
    await Promise.all(group.map((socket) => once(socket, 'data')));
  }
}

test.runIf(loadAddon().addon !== undefined)(
  'an idle connection of the epoll network keeps less than 1.5 KB of JavaScript heap',
  { timeout: 60_000 },
  async () => {
    const args = ['--expose-gc', '--input-type=module', '-e', SERVER];
    const server = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const sockets: Socket[] = [];
    try {
      const lines = createInterface(server.stdout)[Symbol.asyncIterator]();
      const number = async () => Number((await lines.next()).value);
      const heap = async () => {
        server.stdin.write('\n');
        return number();
      };
      const port = await number();
      await open(port, FEW, sockets);
      const slopes: number[] = [];
      let before = await heap();
      for (let i = 0; i < 2; i++) {
        await open(port, MORE, sockets);
        const after = await heap();
        slopes.push((after - before) / MORE);
        before = after;
      }
      expect(Math.min(...slopes)).toBeLessThan(MAX_HEAP_BYTES);
    } finally {
      for (const socket of sockets) socket.destroy();
      server.kill();
    }
  },
);
