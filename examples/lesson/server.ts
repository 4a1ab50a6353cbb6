// The classic teaching program, an echo server in which a task is a generator that yields a reason
// and a socket. It needs only Node: node server.ts, and in another terminal nc localhost 25000.
import { EventEmitter, once } from 'node:events';
import type { ListenOptions, Socket } from 'node:net';
import { createServer } from 'node:net';

type Task = Generator<['recv', Listener | Socket] | ['send', Socket], void>;
type Handler = (client: Socket, address: string) => Task;

const tasks: Task[] = []; // ready to run, the oldest first
const recvWait = new Map<Listener | Socket, Task>(); // wait until the socket can be read
const sendWait = new Map<Socket, Task>(); // wait until the socket takes bytes
const events = new EventEmitter(); // emits 'change' when a socket may have become ready

class Listener {
  readonly queue: Socket[] = []; // Node accepts by itself: new connections wait here
  constructor(address: ListenOptions) {
    const server = createServer({ allowHalfOpen: true }, (client) => {
      this.queue.push(client);
      events.emit('change');
      for (const name of ['readable', 'end', 'drain', 'error'])
        client.on(name, () => events.emit('change'));
    });
    server.listen(address);
  }
}

function canRecv(socket: Listener | Socket): boolean {
  if (socket instanceof Listener) return socket.queue.length > 0;
  socket.read(0); // takes no byte, but makes Node report the end of the input
  return socket.readableLength > 0 || socket.readableEnded || socket.errored !== null;
}

function canSend(socket: Socket): boolean {
  return socket.writableLength < socket.writableHighWaterMark || socket.errored !== null;
}

function recv(socket: Socket, max: number): Buffer {
  if (socket.errored) throw socket.errored;
  return socket.read(Math.min(max, socket.readableLength)) ?? Buffer.alloc(0);
}

function send(socket: Socket, data: Buffer): number {
  if (socket.errored) throw socket.errored;
  const part = data.subarray(0, socket.writableHighWaterMark - socket.writableLength);
  socket.write(part);
  return part.length;
}

async function select(): Promise<void> {
  for (const [socket, task] of recvWait)
    if (canRecv(socket) && recvWait.delete(socket)) tasks.push(task);
  for (const [socket, task] of sendWait)
    if (canSend(socket) && sendWait.delete(socket)) tasks.push(task);
  if (tasks.length === 0) await once(events, 'change');
}

async function run(): Promise<void> {
  while (tasks.length + recvWait.size + sendWait.size > 0) {
    while (tasks.length === 0) await select();
    const task = tasks.shift() as Task;
    const { done, value } = task.next();
    if (done) console.log('Task done');
    else if (value[0] === 'recv') recvWait.set(value[1], task);
    else if (value[0] === 'send') sendWait.set(value[1], task);
    else throw new Error(`Unknown reason: ${value[0]}`);
  }
}

function* tcpServer(address: ListenOptions, handler: Handler): Task {
  const listener = new Listener(address);
  for (;;) {
    yield ['recv', listener];
    const client = listener.queue.shift() as Socket;
    tasks.push(handler(client, `${client.remoteAddress}:${client.remotePort}`));
  }
}

function* echoHandler(client: Socket, address: string): Task {
  console.log(`Connection from ${address}`);
  for (;;) {
    yield ['recv', client];
    const data = recv(client, 1000);
    if (data.length === 0) break;
    yield ['send', client];
    send(client, Buffer.concat([Buffer.from('GOT:'), data]));
  }
  client.end();
  console.log('Connection closed');
}

tasks.push(tcpServer({ host: '127.0.0.1', port: Number(process.argv[2] ?? 25000) }, echoHandler));
await run();
