// A name server for a few names: node dns.js [port], then
// dig @127.0.0.1 -p 5300 router.test
//
// Message format: RFC 1035. Twelve bytes of header, the question, the answer.
import type { Datagram, Operation } from 'coronet';
import { bindDatagram, currentScope, main, race } from 'coronet';

const addresses: Readonly<Record<string, string>> = {
  'router.test': '192.0.2.1',
  'printer.test': '192.0.2.7',
};

const TYPE_A = 1;
const TTL_SECONDS = 60;
const NAME_ERROR = 3;
const NOT_IMPLEMENTED = 4;

interface Question {
  readonly name: string;
  readonly type: number;
  /** The end of the question in the message. */
  readonly end: number;
}

/** `undefined` unless the message is a query with one question. */
function parse(message: Buffer): Question | undefined {
  const isQuery = message.length > 16 && ((message[2] ?? 0) & 0x80) === 0;
  if (!isQuery || message.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = 12;
  for (;;) {
    const length = message[at] ?? 0;
    at += 1;
    if (length === 0) break;
    if (length > 63 || at + length + 5 > message.length) return undefined;
    labels.push(message.toString('latin1', at, at + length));
    at += length;
  }
  if (at + 4 > message.length) return undefined;
  return { name: labels.join('.').toLowerCase(), type: message.readUInt16BE(at), end: at + 4 };
}

function answerTo(message: Buffer): Buffer | undefined {
  const question = parse(message);
  if (question === undefined) return undefined;
  const address = Object.hasOwn(addresses, question.name) ? addresses[question.name] : undefined;
  const answered = address !== undefined && question.type === TYPE_A;
  const header = Buffer.alloc(12);
  header.writeUInt16BE(message.readUInt16BE(0), 0); // the same id
  const recursionWanted = message.readUInt16BE(2) & 0x0100;
  header.writeUInt16BE(0x8400 | recursionWanted | codeFor(message, address), 2);
  header.writeUInt16BE(1, 4); // one question
  header.writeUInt16BE(answered ? 1 : 0, 6);
  const parts = [header, message.subarray(12, question.end)];
  if (answered) parts.push(record(address));
  return Buffer.concat(parts);
}

function codeFor(message: Buffer, address: string | undefined): number {
  const isStandard = ((message[2] ?? 0) & 0x78) === 0;
  if (!isStandard) return NOT_IMPLEMENTED;
  return address === undefined ? NAME_ERROR : 0;
}

/** An A record. Its name is a pointer to the question, at byte 12 of the message. */
function record(address: string): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16BE(0xc00c, 0);
  bytes.writeUInt16BE(TYPE_A, 2);
  bytes.writeUInt16BE(1, 4); // class IN
  bytes.writeUInt32BE(TTL_SECONDS, 6);
  bytes.writeUInt16BE(4, 10);
  bytes.set(address.split('.').map(Number), 12);
  return bytes;
}

function* serveNames(datagram: Datagram): Operation<void> {
  for (;;) {
    const { data, from } = yield* datagram.recvFrom();
    const answer = answerTo(data);
    if (answer !== undefined) yield* datagram.sendTo(answer, from);
  }
}

const [port = '5300'] = process.argv.slice(2);

await main(function* () {
  using datagram = yield* bindDatagram(`127.0.0.1:${port}`, { maxLength: 512 });
  console.log(`answering at ${datagram.address}`);
  yield* race([serveNames(datagram), currentScope().waitStopping()]);
});
