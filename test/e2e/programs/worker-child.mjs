/**
 * A process that was started by `startWorker`: worker-child.mjs DEED ... It answers every message
 * with itself, or does what is named: 'tell' says what it was started with, 'deaf' never listens.
 */
import { fstatSync } from 'node:fs';
import { nodePlatform } from '../../../dist/lowlevel.js';

const { parent } = nodePlatform;
const [deed, ...more] = process.argv.slice(2);

function stay() {
  setInterval(() => {}, 60_000);
}

if (deed === 'tell') {
  const { GIVEN: given, TAKEN: taken } = process.env;
  parent.send({ more, given, taken, sizes: [3, 4].map((fd) => fstatSync(fd).size) });
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
  parent.onGone(() => process.exit());
  stay();
}
