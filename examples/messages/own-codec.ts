// A codec of one's own: MQTT packets, a type byte and a length of one to four groups of 7 bits.
// A receive that is interrupted in the middle of a packet leaves the whole packet unread.
import type { Codec, Operation, Reader } from 'coronet';
import { connect, group, listen, MalformedMessageError, messages, run, serve } from 'coronet';

interface Packet {
  readonly type: number;
  readonly body: Uint8Array;
}

function* readLength(reader: Reader): Operation<number> {
  let length = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    const byte = (yield* reader.readExactly(1))?.[0] ?? 0;
    length |= (byte & 127) << shift;
    if (byte < 128) return length;
  }
  throw new MalformedMessageError('Expected a length of at most 4 bytes');
}

const packets: Codec<Packet> = {
  max: 100_000,
  *decode(reader) {
    const type = yield* reader.readExactly(1);
    if (type === null) return null; // end of file between two packets
    const length = yield* readLength(reader);
    return { type: type.readUInt8(), body: (yield* reader.readExactly(length)) ?? Buffer.alloc(0) };
  },
  encode({ type, body }) {
    const header = [type];
    let rest = body.length;
    for (; rest > 127; rest >>= 7) header.push((rest & 127) | 128);
    return [Uint8Array.from([...header, rest]), body];
  },
};

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(
      () =>
        serve(listener, function* (socket) {
          const peer = messages(socket, packets);
          for (;;) {
            const packet = yield* peer.receive();
            if (packet === null) return;
            yield* peer.send(packet);
          }
        }),
      { daemon: true },
    );
    using socket = yield* connect(listener.address);
    const peer = messages(socket, packets);
    yield* peer.send({ type: 0x30, body: Buffer.alloc(300, 'x') });
    const echo = yield* peer.receive();
    console.log(`type ${echo?.type}, ${echo?.body.length} bytes`);
  });
});

// Output:
// type 48, 300 bytes
