// The clients of the lesson: each one does to a server what networks and users do, and prints what
// it observes. Start a server, then run node client.ts hello (or reset, slow, silent, many).
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const [name = '', port = '25000'] = process.argv.slice(2);

function open(): Socket {
  const socket = connect({ port: Number(port), host: '127.0.0.1' });
  return socket.on('error', () => {}); // 'close' follows
}

/** Sends a text and returns the answer. */
function ask(socket: Socket, text: string): Promise<string> {
  return new Promise((resolve) => {
    socket.once('data', (data) => resolve(String(data)));
    socket.once('close', () => resolve('the connection is lost'));
    if (socket.closed) resolve('the connection is lost');
    socket.write(text);
  });
}

/** Two clients. The second one resets its connection, as a program that crashes may do. */
async function reset(): Promise<void> {
  const [first, second] = [open(), open()];
  console.log(`first: ${await ask(first, 'Hello')}`);
  console.log(`second: ${await ask(second, 'Hello')}`);
  second.resetAndDestroy();
  console.log('second: resets its connection');
  console.log(`first: ${await ask(first, 'Hello again')}`);
  first.destroy();
}

/** A client that sends a lot, and begins to read only a second later. */
async function slow(): Promise<void> {
  const size = 16_000_000;
  const socket = open();
  socket.end(Buffer.alloc(size, 'x'));
  await sleep(1000);
  let received = 0;
  for await (const chunk of socket) for (const byte of chunk) if (byte === 0x78) received++;
  console.log(`${size} bytes sent, all of them echoed: ${received === size}`);
}

/** A client that connects and sends nothing. */
async function silent(): Promise<void> {
  const socket = open().resume();
  await once(socket, 'end');
  console.log('the server has ended the connection');
}

/** Many connections from one address. None of them is closed before all have an answer. */
async function many(): Promise<void> {
  const sockets = Array.from({ length: 200 }, open);
  const answers = await Promise.all(sockets.map((socket) => ask(socket, 'Hello')));
  const answered = answers.filter((answer) => answer === 'GOT:Hello');
  console.log(`${sockets.length} connections, ${answered.length} of them got an answer`);
  for (const socket of sockets) socket.destroy();
}

/** A client that sends two messages and disconnects. */
async function hello(): Promise<void> {
  const socket = open();
  for (const text of ['Hello', 'Hello again']) console.log(await ask(socket, text));
  socket.destroy();
}

const clients: Record<string, () => Promise<void>> = { hello, reset, slow, silent, many };
const client = clients[name];
if (client === undefined) console.error(`usage: node client.ts ${Object.keys(clients).join('|')}`);
await client?.();
