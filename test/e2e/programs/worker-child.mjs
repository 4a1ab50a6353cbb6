/**
 * A process that was started by `startWorker`: worker-child.mjs DEED ... It answers every message
 * with itself, or does what is named: 'tell' says what it was started with, 'inspected' whether a
 * debugger can reach it, 'deaf' never listens, 'scribble' writes into its channel what is no
 * message, 'bequeath' leaves the channel to a process that outlives it.
 */
import { spawn } from 'node:child_process';
import { fstatSync, writeSync } from 'node:fs';
import { nodePlatform } from '../../../dist/lowlevel.js';

const { parent } = nodePlatform;
const [deed, ...more] = process.argv.slice(2);

function stay() {
  setInterval(() => {}, 60_000);
}

if (deed === 'tell') {
  const { GIVEN: given, TAKEN: taken } = process.env;
  parent.send({ more, given, taken, sizes: [3, 4].map((fd) => fstatSync(fd).size) });
} else if (deed === 'inspected') {
  parent.send(nodePlatform.inspected());
} else if (deed === 'scribble') {
  parent.send('before');
  setImmediate(() => {
    for (const cmd of ['NODE_HANDLE', 'NODE_HANDLE_ACK']) process.send({ cmd });
    writeSync(process.channel.fd, 'what is no message\n');
    // What lies beside it in the channel may be lost.
    setInterval(() => parent.send('after'), 50);
  });
  stay();
} else if (deed === 'bequeath') {
  const stdio = ['ignore', 'ignore', 'ignore', process.channel.fd];
  const heir = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 20_000)'], { stdio });
  heir.unref();
  process.send({ coronet: heir.pid }, () => process.exit(5));
} else if (deed === 'deaf') {
  parent.send('deaf');
  // A task that never ends: the channel is not read.
  setTimeout(() => {
    for (;;);
  }, 20);
} else {
  parent.onMessage((message) => {
    parent.send(message);
    if (message === 'end') {
      process.exitCode = 3;
      // In the next turn: Node has yet to come back to the channel from this call.
      setImmediate(() => process.disconnect());
    }
  });
  parent.onDisconnect(() => process.exit());
  stay();
}
