/** Reader and Writer deliver all bytes, no matter how they are split and reads are cancelled. */
import type { Operation, Reader, Socket } from 'coronet';
import { connect, group, listen, moveOnAfter, serve } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { check, HOSTILE, LOSSY, Random } from './support.ts';

const FRAMES = 12;
/** A little less than the high-water mark of a writer. */
const MAX_BUFFERED = 65_000;

/** A frame: a length of 4 bytes, then the payload. */
function frameOf(payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(4 + payload.length);
  frame.writeUInt32BE(payload.length);
  payload.copy(frame, 4);
  return frame;
}

/** Repeats a read with a short time limit until it completes. A cancelled read loses no byte. */
function* readWithTimeouts<T>(random: Random, read: () => Operation<T>): Operation<T> {
  for (let ms = random.integer(0, 30); ; ms = 2 * ms + 1) {
    const result = yield* moveOnAfter(ms, function* (): Operation<{ value: T }> {
      return { value: yield* read() };
    });
    if (result !== undefined) return result.value;
  }
}

function* readFrame(random: Random, reader: Reader): Operation<Buffer | null> {
  const head = yield* readWithTimeouts(random, () => reader.readExactly(4));
  if (head === null) return null;
  const length = head.readUInt32BE();
  const payload = yield* readWithTimeouts(random, () => reader.readExactly(length));
  check(payload !== null || length === 0, 'The input ended between a length and its payload');
  return payload ?? Buffer.alloc(0);
}

function* echoFrames(random: Random, socket: Socket): Operation<void> {
  const reader = socket.reader();
  const writer = socket.writer();
  for (;;) {
    const payload = yield* readFrame(random, reader);
    if (payload === null) break;
    if (writer.buffered + payload.length > MAX_BUFFERED) yield* writer.flush();
    writer.write(frameOf(payload));
    if (random.happens(0.5)) yield* writer.flush();
  }
  yield* writer.flush();
}

function* framedEcho(world: World): Operation<void> {
  const random = new Random(world);
  world.host('server', function* () {
    yield* serve(yield* listen(80), (socket) => echoFrames(random, socket), {
      onError(error) {
        throw error;
      },
    });
  });
  using socket = yield* connect('server:80');
  const payloads = Array.from({ length: FRAMES }, () =>
    random.bytes(random.happens(0.1) ? random.integer(0, 60_000) : random.integer(0, 40)),
  );
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => sendFrames(random, socket, payloads));
    const reader = socket.reader();
    for (const [i, payload] of payloads.entries()) {
      const echo = yield* readFrame(random, reader);
      check(echo?.equals(payload) === true, `Frame ${i} of ${payload.length} bytes has changed`);
    }
    check((yield* reader.read()).length === 0, 'Bytes arrived after the last frame');
  });
}

function* sendFrames(random: Random, socket: Socket, payloads: readonly Buffer[]): Operation<void> {
  const writer = socket.writer();
  for (const payload of payloads) {
    if (writer.buffered + payload.length > MAX_BUFFERED) yield* writer.flush();
    writer.write(frameOf(payload));
    if (random.happens(0.4)) yield* writer.flush();
  }
  yield* writer.flush();
  socket.shutdown('send');
}

function* lines(world: World): Operation<void> {
  const random = new Random(world);
  const sent = Array.from({ length: 20 }, (_, i) => `${i} ${'é'.repeat(random.integer(0, 30))}`);
  world.host('server', function* () {
    using listener = yield* listen(80);
    using socket = yield* listener.accept();
    const ends = sent.map((line) => line + random.pick(['\n', '\r\n']));
    const bytes = Buffer.from(ends.join('').replace(/\r?\n$/, ''));
    for (let at = 0; at < bytes.length; ) {
      const next = at + random.integer(1, 60);
      yield* socket.sendAll(bytes.subarray(at, next));
      at = next;
    }
  });
  using socket = yield* connect('server:80');
  const reader = socket.reader();
  for (const line of sent) {
    const received = yield* readWithTimeouts(random, () => reader.readLine());
    check(received === line, `Expected the line ${line}, got ${received}`);
  }
  check((yield* reader.readLine()) === null, 'Expected the end after the last line');
}

export const frames: Campaign = {
  name: 'frames',
  shows: 'frames survive Reader and Writer, no matter how the bytes are split',
  scenario: framedEcho,
  options: { faults: HOSTILE, link: LOSSY },
};

export const readLines: Campaign = {
  name: 'lines',
  shows: 'readLine returns the lines that were sent; cancelled reads lose nothing',
  scenario: lines,
  options: { faults: { ...HOSTILE, shortReads: 0.7 }, link: LOSSY },
};
