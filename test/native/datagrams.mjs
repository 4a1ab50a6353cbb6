/** Datagrams: batches and their records, truncation, errors, events, and bounds of the memory. */
import {
  addon,
  bindDatagram,
  check,
  checkAllClosed,
  descriptors,
  EAGAIN,
  makePoller,
  pause,
} from './support.mjs';

const { RECORD_INTS: RECORD, STAT_DROPPED, STAT_RECV_BUFFER } = addon.constants;
const MAX_BATCH = 32;
const EPOLLIN = 1;
const EPOLLOUT = 4;
const ECONNREFUSED = -111;
const EMSGSIZE = -90;
const EAFNOSUPPORT = -97;
const EINVAL = -22;

const before = descriptors();
const poller = makePoller();
const near = bindDatagram(poller);
const far = bindDatagram(poller);
const text = (string) => Buffer.from(string);
const send = (data, to = far) =>
  addon.sendDatagram(near.handle, data, data.length, 4, '127.0.0.1', to.port);

function throwsTypeError(call, what) {
  try {
    call();
  } catch (error) {
    return check(error.code === 'ERR_INVALID_ARG_TYPE', `${what}: a TypeError, got ${error}`);
  }
  check(false, `${what} throws`);
}

// A batch: each datagram is in its part, with its record.
const memory = Buffer.alloc(64 * MAX_BATCH, '.');
const records = new Int32Array(RECORD * MAX_BATCH);
check(
  addon.recvDatagrams(far.handle, memory, 64, records, MAX_BATCH) === EAGAIN,
  'nothing is there',
);
for (let i = 0; i < 40; i += 1) check(send(text(`number ${i}`)) > 0, 'it is sent');
check(addon.recvDatagrams(far.handle, memory, 64, records, 1000) === MAX_BATCH, 'a bounded batch');
for (let i = 0; i < MAX_BATCH; i += 1) {
  const [length, truncated, family, port] = records.subarray(RECORD * i);
  check(String(memory.subarray(64 * i, 64 * i + length)) === `number ${i}`, 'each in its part');
  check(truncated === 0 && family === 4 && port === near.port, 'each with its record');
  const from = addon.sender(records, i);
  check(from.host === '127.0.0.1' && from.port === near.port && from.family === 4, 'its sender');
}
check(addon.recvDatagrams(far.handle, memory, 64, records, MAX_BATCH) === 8, 'the rest of them');

// A truncated datagram is marked and does not exceed its part.
memory.fill('.');
send(Buffer.alloc(100, 'x'));
send(text(''.padEnd(1)));
check(addon.sendDatagram(near.handle, memory, 0, 4, '127.0.0.1', far.port) === 0, 'an empty one');
check(addon.recvDatagrams(far.handle, memory, 10, records, 3) === 3, 'three');
check(String(memory.subarray(0, 13)) === 'xxxxxxxxxx ..', 'truncated at its stride');
check(records[0] === 10 && records[1] === 1, 'truncated, and marked');
check(records[RECORD] === 1 && records[RECORD + 1] === 0, 'not truncated');
check(records[2 * RECORD] === 0 && records[2 * RECORD + 3] === near.port, 'empty, with a sender');

// The memory must be large enough for the batch.
const receive = (...args) => addon.recvDatagrams(far.handle, ...args);
throwsTypeError(() => receive(memory, 0, records, 1), 'a stride of 0');
throwsTypeError(() => receive(memory, -64, records, 1), 'a negative stride');
throwsTypeError(() => receive(memory, 64, records, 0), 'a batch of 0');
throwsTypeError(() => receive(new Uint8Array(127), 64, records, 2), 'too little memory');
throwsTypeError(() => receive(memory, 64, new Int32Array(2 * RECORD - 1), 2), 'too few records');
throwsTypeError(() => receive(new Uint8Array(0), 64, records, 1), 'no memory');
throwsTypeError(() => addon.sender(records, MAX_BATCH), 'an index after the last record');
throwsTypeError(() => addon.sender(records, -1), 'a negative one');
const gone = new Uint8Array(64);
structuredClone(gone.buffer, { transfer: [gone.buffer] });
throwsTypeError(() => receive(gone, 64, records, 1), 'detached memory');
const sendPart = (length) => addon.sendDatagram(near.handle, memory, length, 4, '127.0.0.1', 9);
throwsTypeError(() => sendPart(memory.length + 1), 'more than the memory');
throwsTypeError(() => sendPart(-1), 'less than nothing');

// Errors are results.
check(send(Buffer.alloc(70_000)) === EMSGSIZE, 'too long');
const six = addon.sendDatagram(near.handle, memory, 1, 6, '::1', far.port);
check(six === EAFNOSUPPORT, 'another family');
check(addon.sendDatagram(near.handle, memory, 1, 4, 'a name', 1) === EINVAL, 'a name');
check(addon.bindDatagram(poller.id, 1, '/tmp/x', 0, 0, 0, 0) === EAFNOSUPPORT, 'a path');
check(addon.joinGroup(near.handle, 4, '127.0.0.1', 0, 0, '', 0) === EINVAL, 'no group');
check(addon.joinGroup(near.handle, 0, '', 0, 0, '', 0) === EINVAL, 'none at all');
check(addon.multicastInterface(near.handle, 0, '', 0) === EINVAL, 'no interface');

// Events: an edge "readable" for each burst; "writable" only while it is watched.
poller.drain();
poller.events.length = 0;
send(text('edge'));
poller.drain();
check(String(poller.events) === `${far.handle},${EPOLLIN}`, `one edge, got ${poller.events}`);
addon.watchSend(near.handle, 1);
poller.drain();
check(String(poller.events.at(-1)) === `${near.handle},${EPOLLOUT}`, 'writable');
addon.watchSend(near.handle, 0);
poller.events.length = 0;
for (let i = 0; i < 10; i += 1) send(text('x'), near);
check(addon.recvDatagrams(near.handle, memory, 64, records, MAX_BATCH) === 10, 'ten');
poller.drain();
const bits = poller.events.map(([, each]) => each & EPOLLOUT);
check(
  bits.every((bit) => bit === 0),
  'no edge for what was sent',
);

// A connected socket receives ECONNREFUSED once, before any datagram.
check(addon.connectDatagram(near.handle, 4, '127.0.0.1', far.port) === 0, 'it is connected');
check(addon.peer(near.handle).port === far.port, 'it knows its peer');
addon.close(far.handle, 0);
const toPeer = () => addon.sendDatagram(near.handle, memory, 1, 0, '', 0);
check(toPeer() === 1, 'sent to a closed port');
await pause(5);
check(addon.recvDatagrams(near.handle, memory, 64, records, 2) === ECONNREFUSED, 'refused');
check(addon.recvDatagrams(near.handle, memory, 64, records, 2) === EAGAIN, 'once');
check(toPeer() === 1 && toPeer() === ECONNREFUSED && toPeer() === 1, 'the sender alike');

// Dropped datagrams are counted.
const small = addon.bindDatagram(poller.id, 4, '127.0.0.1', 0, 0, 4096, 0);
const { port } = addon.local(small);
const other = bindDatagram(poller);
for (let i = 0; i < 100; i += 1) {
  addon.sendDatagram(other.handle, memory, 1000, 4, '127.0.0.1', port);
}
const dropped = addon.datagramStat(small, STAT_DROPPED);
const kept = addon.recvDatagrams(small, memory, 64, records, MAX_BATCH);
check(dropped < 0 || dropped + kept === 100, `all accounted for: ${dropped} and ${kept}`);
check(addon.datagramStat(small, STAT_RECV_BUFFER) >= 4096, 'the size of the queue');

check(addon.destroyPoller(poller.id) === 0, 'the poller closes what is left');
await checkAllClosed();
check(descriptors() === before, 'every descriptor is closed');
