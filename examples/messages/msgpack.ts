// MessagePack values through the npm package msgpackr, in messages with a length of 4 bytes.
import type { Codec, Operation } from 'coronet';
import {
  connect,
  group,
  lengthPrefixed,
  listen,
  MalformedMessageError,
  messages,
  run,
  serve,
} from 'coronet';
import { pack, unpack } from 'msgpackr';

const frames = lengthPrefixed({ bytes: 4, max: 1_000_000 });

const msgpack: Codec<unknown> = {
  *decode(reader): Operation<unknown> {
    const bytes = yield* frames.decode(reader);
    if (bytes === null) return null;
    try {
      return unpack(bytes);
    } catch (cause) {
      throw new MalformedMessageError('Expected MessagePack', { recoverable: true, cause });
    }
  },
  encode: (value) => frames.encode(pack(value)),
};

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(
      () =>
        serve(listener, function* (socket) {
          const peer = messages(socket, msgpack);
          for (;;) {
            const value = yield* peer.receive();
            if (value === null) return;
            yield* peer.send([value]);
          }
        }),
      { daemon: true },
    );
    using socket = yield* connect(listener.address);
    const peer = messages(socket, msgpack);
    yield* peer.sendBatch([{ id: 7 }, 'text', 3.5]);
    for (let i = 0; i < 3; i++) console.log(yield* peer.receive());
  });
});

// Output:
// [ { id: 7 } ]
// [ 'text' ]
// [ 3.5 ]
