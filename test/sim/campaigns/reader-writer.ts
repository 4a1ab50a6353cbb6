/** Reader and Writer: what goes in comes out, however the bytes are cut and reads are cancelled. */
import type { Operation, Reader, Socket } from 'coronet';
import { connect, group, listen, moveOnAfter, serve } from 'coronet';
import type { World } from 'coronet/sim';
import type { Campaign } from './support.ts';
import { Chance, HOSTILE, LOSSY, must } from './support.ts';

const FRAMES = 12;
/** A little less than a writer holds. */
const MOST_GATHERED = 65_000;

/** Frames: a length of 4 bytes, then as many. */
function frameOf(payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(4 + payload.length);
  frame.writeUInt32BE(payload.length);
  payload.copy(frame, 4);
  return frame;
}

/** Drives reads again that a short time limit has cut: none may lose a byte. */
function* impatiently<T>(chance: Chance, read: () => Operation<T>): Operation<T> {
  for (let ms = chance.integer(0, 30); ; ms = 2 * ms + 1) {
    const got = yield* moveOnAfter(ms, function* (): Operation<{ value: T }> {
      return { value: yield* read() };
    });
    if (got !== undefined) return got.value;
  }
}

function* readFrame(chance: Chance, reader: Reader): Operation<Buffer | null> {
  const head = yield* impatiently(chance, () => reader.readExactly(4));
  if (head === null) return null;
  const length = head.readUInt32BE();
  const payload = yield* impatiently(chance, () => reader.readExactly(length));
  must(payload !== null || length === 0, 'The end came between a head and its frame');
  return payload ?? Buffer.alloc(0);
}

function* echoFrames(chance: Chance, socket: Socket): Operation<void> {
  const reader = socket.reader();
  const writer = socket.writer();
  for (;;) {
    const payload = yield* readFrame(chance, reader);
    if (payload === null) break;
    if (writer.buffered + payload.length > MOST_GATHERED) yield* writer.flush();
    writer.write(frameOf(payload));
    if (chance.strikes(0.5)) yield* writer.flush();
  }
  yield* writer.flush();
}

function* framedEcho(world: World): Operation<void> {
  const chance = new Chance(world);
  world.host('server', function* () {
    yield* serve(yield* listen(80), (socket) => echoFrames(chance, socket), {
      onError(error) {
        throw error;
      },
    });
  });
  using socket = yield* connect('server:80');
  const payloads = Array.from({ length: FRAMES }, () =>
    chance.bytes(chance.strikes(0.1) ? chance.integer(0, 60_000) : chance.integer(0, 40)),
  );
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => sendFrames(chance, socket, payloads));
    const reader = socket.reader();
    for (const [i, payload] of payloads.entries()) {
      const echo = yield* readFrame(chance, reader);
      must(echo?.equals(payload) === true, `Frame ${i} of ${payload.length} bytes has changed`);
    }
    must((yield* reader.read()).length === 0, 'Something came behind the last frame');
  });
}

function* sendFrames(chance: Chance, socket: Socket, payloads: readonly Buffer[]): Operation<void> {
  const writer = socket.writer();
  for (const payload of payloads) {
    if (writer.buffered + payload.length > MOST_GATHERED) yield* writer.flush();
    writer.write(frameOf(payload));
    if (chance.strikes(0.4)) yield* writer.flush();
  }
  yield* writer.flush();
  socket.shutdown('send');
}

function* lines(world: World): Operation<void> {
  const chance = new Chance(world);
  const sent = Array.from({ length: 20 }, (_, i) => `${i} ${'é'.repeat(chance.integer(0, 30))}`);
  world.host('server', function* () {
    using listener = yield* listen(80);
    using socket = yield* listener.accept();
    const ends = sent.map((line) => line + chance.pick(['\n', '\r\n']));
    const bytes = Buffer.from(ends.join('').replace(/\r?\n$/, ''));
    for (let at = 0; at < bytes.length; ) {
      const next = at + chance.integer(1, 60);
      yield* socket.sendAll(bytes.subarray(at, next));
      at = next;
    }
  });
  using socket = yield* connect('server:80');
  const reader = socket.reader();
  for (const line of sent) {
    const got = yield* impatiently(chance, () => reader.readLine());
    must(got === line, `Expected the line ${line}, got ${got}`);
  }
  must((yield* reader.readLine()) === null, 'Expected the end behind the last line');
}

export const frames: Campaign = {
  name: 'frames',
  shows: 'frames through Reader and Writer come back whole, whatever the cuts',
  scenario: framedEcho,
  options: { faults: HOSTILE, link: LOSSY },
};

export const readLines: Campaign = {
  name: 'lines',
  shows: 'readLine gives the lines that were sent; cancelled reads lose nothing',
  scenario: lines,
  options: { faults: { ...HOSTILE, shortReads: 0.7 }, link: LOSSY },
};
