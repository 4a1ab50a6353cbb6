// Protocol Buffers through the npm package @bufbuild/protobuf, in messages with a varint as length
// (the "delimited" form of protobuf's own libraries).
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { Duration } from '@bufbuild/protobuf/wkt';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
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

const frames = lengthPrefixed({ bytes: 'varint', max: 1_000_000 });

const durations: Codec<Duration> = {
  *decode(reader): Operation<Duration | null> {
    const bytes = yield* frames.decode(reader);
    if (bytes === null) return null;
    try {
      return fromBinary(DurationSchema, bytes);
    } catch (cause) {
      throw new MalformedMessageError('Expected a Duration', { recoverable: true, cause });
    }
  },
  encode: (value) => frames.encode(toBinary(DurationSchema, value)),
};

await run(function* () {
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(
      () =>
        serve(listener, function* (socket) {
          const peer = messages(socket, durations);
          for (;;) {
            const value = yield* peer.receive();
            if (value === null) return;
            yield* peer.send(create(DurationSchema, { seconds: value.seconds * 2n }));
          }
        }),
      { daemon: true },
    );
    using socket = yield* connect(listener.address);
    const peer = messages(socket, durations);
    yield* peer.send(create(DurationSchema, { seconds: 21n }));
    console.log(`${(yield* peer.receive())?.seconds} seconds`);
  });
});

// Output:
// 42 seconds
