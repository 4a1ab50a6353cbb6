/**
 * A process that is started by `startWorker`: worker-child.mjs ACTION ... It replies to every
 * message with the same message, or executes ACTION: 'report' sends its arguments, environment and
 * descriptors; 'inspected' sends whether a debugger can reach it; 'deaf' never reads; 'scribble'
 * writes invalid data into its channel; 'pass-on' leaves the channel to a process that outlives it.
 */
import { spawn } from 'node:child_process';
import { fstatSync, writeSync } from 'node:fs';
import { nodePlatform } from '../../../dist/lowlevel.js';

const { parent } = nodePlatform;
const [action, ...more] = process.argv.slice(2);

function keepAlive() {
  setInterval(() => {}, 60_000);
}

if (action === 'report') {
  const { GIVEN: given, TAKEN: taken } = process.env;
  parent.send({ more, given, taken, sizes: [3, 4].map((fd) => fstatSync(fd).size) });
} else if (action === 'inspected') {
  parent.send(nodePlatform.inspected());
} else if (action === 'scribble') {
  parent.send('before');
  setImmediate(() => {
    for (const cmd of ['NODE_HANDLE', 'NODE_HANDLE_ACK']) process.send({ cmd });
    writeSync(process.channel.fd, 'not a message\n');
    // Messages in the same read may be lost.
    setInterval(() => parent.send('after'), 50);
  });
  keepAlive();
} else if (action === 'pass-on') {
  const stdio = ['ignore', 'ignore', 'ignore', process.channel.fd];
  const successor = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 20_000)'], { stdio });
  successor.unref();
  process.send({ coronet: successor.pid }, () => process.exit(5));
} else if (action === 'deaf') {
  parent.send('deaf');
  // A task that never ends, so the channel is not read.
  setTimeout(() => {
    for (;;);
  }, 20);
} else {
  parent.onMessage((message) => {
    parent.send(message);
    if (message === 'end') {
      process.exitCode = 3;
      // In the next turn, because Node is still processing the channel in this call.
      setImmediate(() => process.disconnect());
    }
  });
  parent.onDisconnect(() => process.exit());
  keepAlive();
}
