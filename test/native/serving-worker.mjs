/**
 * A worker that accepts one connection, with TLS if it was started so, echoes its bytes, and waits
 * to be terminated.
 */
import { parentPort, workerData } from 'node:worker_threads';
import {
  acceptedHandle,
  acceptResults,
  addon,
  listen,
  makePoller,
  serverContext,
} from './support.mjs';

const context = workerData.tls ? serverContext() : undefined;

const array = new Int32Array(512);
const out = acceptResults(64);
const { handle: listener, port } = (() => {
  const id = addon.createPoller(array, onWake);
  return { ...listen({ id }), id };
})();
makePoller(); // a second one, idle

const connections = [];
function onWake() {
  const accepted = addon.accept(listener, out, 64);
  for (let i = 0; i < accepted; i += 1) {
    const handle = acceptedHandle(out, i);
    connections.push(handle);
    if (context !== undefined) addon.tlsStart(handle, context, '');
  }
  for (const handle of connections) {
    if (context === undefined || addon.tlsHandshake(handle) === 1) echo(handle);
  }
}

function echo(handle) {
  const into = new Uint8Array(1024);
  const received = addon.recv(handle, into, 0, into.length);
  if (received > 0) addon.send(handle, into.subarray(0, received));
}

setInterval(() => {}, 1000);
parentPort.postMessage(port);
