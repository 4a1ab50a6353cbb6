/** Small programs that have the same results on every network, real or simulated. */
import type { Datagram, Operation, Server, Socket } from 'coronet';
import {
  all,
  bindDatagram,
  connect,
  group,
  isCancelled,
  listen,
  moveOnAfter,
  pipe,
  retry,
  select,
  serve,
  sleep,
  tcpServer,
} from 'coronet';
import { echo, receiveText, withPair } from '../support/sockets.ts';

/** The result of an operation, or its error without the parts that may differ. */
function* outcome(op: () => Operation<unknown>): Operation<unknown> {
  try {
    return { value: yield* op() };
  } catch (error) {
    if (isCancelled(error)) throw error;
    const { name, code, syscall, errno, message } = error as NodeJS.ErrnoException;
    // The messages of the system differ: Node appends the text of strerror(3).
    if (syscall !== undefined) return { name, code, syscall, errno };
    return { name, code, message: withoutPorts(message) };
  }
}

function withoutPorts(text: string): string {
  return text.replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:PORT').replace(/port \d{4,}/g, 'port PORT');
}

function* refused(): Operation<unknown> {
  const listener = yield* listen('127.0.0.1:0');
  const { address } = listener;
  listener.close();
  return yield* outcome(() => connect(address));
}

function* taken(): Operation<unknown> {
  using listener = yield* listen('127.0.0.1:0');
  return yield* outcome(() => listen(listener.address));
}

function* halfClosed(): Operation<unknown> {
  return yield* withPair(function* (near, far): Operation<unknown> {
    yield* near.sendAll('question');
    near.shutdown('send');
    const question = yield* receiveText(far);
    yield* far.sendAll('answer');
    far.shutdown('send');
    const answer = yield* receiveText(near);
    const late = yield* outcome(() => near.sendAll('too late'));
    return { question, answer, late, again: (yield* near.recv()).length };
  });
}

function* resetWithData(): Operation<unknown> {
  return yield* withPair(function* (near, far): Operation<unknown> {
    near.reset();
    const received = yield* outcome(() => far.recv());
    return { received, again: yield* outcome(() => far.recv()) };
  });
}

function* closedHere(): Operation<unknown> {
  return yield* withPair(function* (near): Operation<unknown> {
    near.close();
    return [
      yield* outcome(() => near.recv()),
      yield* outcome(() => near.sendAll('x')),
      near.closed,
    ];
  });
}

function* twoReceivers(): Operation<unknown> {
  return yield* withPair(function* (near, far): Operation<unknown> {
    return yield* group(function* (tasks): Operation<unknown> {
      const first = tasks.spawn(() => receiveText(near), { name: 'first' });
      while (first.waitingOn === '') yield* sleep(1);
      const second = yield* outcome(() => near.recv());
      yield* far.sendAll('for the first');
      far.close();
      return { second, first: yield* first.join() };
    });
  });
}

function* messages(): Operation<unknown> {
  return yield* withPair(function* (near, far): Operation<unknown> {
    const writer = near.writer();
    for (const piece of ['one\r\ntwo\n', 'thr', 'ee\n\n', '12345', 'rest']) writer.write(piece);
    yield* writer.flush();
    near.shutdown('send');
    const reader = far.reader({ max: 8 });
    return [
      yield* reader.readLine(),
      yield* reader.readLine(),
      yield* reader.readUntil('\n'),
      yield* reader.readLine(),
      yield* reader.readExactly(5),
      yield* outcome(() => reader.readExactly(5)),
      reader.buffered,
      String(yield* reader.read()),
      yield* reader.readLine(),
    ].map((each) => (Buffer.isBuffer(each) ? String(each) : each));
  });
}

function* drained(): Operation<unknown> {
  let server: Server | undefined;
  return yield* group(function* (tasks): Operation<unknown> {
    const serving = tasks.spawn(() =>
      tcpServer('127.0.0.1:0', echo, {
        onListening: (listening) => {
          server = listening;
        },
      }),
    );
    while (server === undefined) yield* sleep(1);
    const { address } = server;
    using idle = yield* connect(address);
    yield* idle.sendAll('a');
    const answer = String(yield* idle.recv());
    server.stop();
    const end = (yield* idle.recv()).length;
    idle.close();
    yield* serving.join();
    const { accepted, open, failed } = server.stats();
    const late = yield* outcome(() => connect(address));
    return { answer, end, accepted, open, failed, late };
  });
}

function* handlersFail(): Operation<unknown> {
  const errors: string[] = [];
  const listener = yield* listen('127.0.0.1:0');
  return yield* group(function* (tasks): Operation<unknown> {
    const onError = (error: unknown) => void errors.push(String(error));
    const broken = function* (socket: Socket): Operation<void> {
      yield* socket.sendAll('before');
      throw new Error('broken handler');
    };
    tasks.spawn(() => serve(listener, broken, { onError }), { daemon: true });
    using client = yield* connect(listener.address);
    return { received: yield* receiveText(client), errors };
  });
}

function* piped(): Operation<unknown> {
  return yield* withPair(function* (source, from): Operation<unknown> {
    return yield* withPair(function* (to, sink): Operation<unknown> {
      const block = Buffer.alloc(100_000, 'x');
      const [, bytes, got] = yield* all([
        function* () {
          yield* source.sendAll(block);
          source.shutdown('send');
        },
        () => pipe(from, to),
        () => receiveText(sink),
      ]);
      return { bytes, same: got === String(block) };
    });
  });
}

function* selectTwice(): Operation<unknown> {
  return yield* withPair(function* (near, far): Operation<unknown> {
    const late = yield* select({ data: near.recv(), late: sleep(5) });
    yield* far.sendAll('data');
    const soon = yield* select({ data: near.recv(), late: sleep(60_000) });
    return [late.key, soon.key, String(soon.value)];
  });
}

function* cancelledReceive(): Operation<unknown> {
  return yield* withPair(function* (near, far): Operation<unknown> {
    const nothing = yield* moveOnAfter(5, () => near.recv());
    yield* far.sendAll('still there');
    return [nothing, String(yield* near.recv()), near.bytesReceived, far.bytesSent];
  });
}

function* retried(): Operation<unknown> {
  const attempts: number[] = [];
  const listener = yield* listen('127.0.0.1:0');
  const { address } = listener;
  listener.close();
  const failed = yield* outcome(() =>
    retry(
      (attempt) => {
        attempts.push(attempt);
        return connect(address);
      },
      { times: 3, delayMs: 1 },
    ),
  );
  return { attempts, failed };
}

function* datagrams(): Operation<unknown> {
  using near: Datagram = yield* bindDatagram('127.0.0.1:0');
  using far: Datagram = yield* bindDatagram('127.0.0.1:0');
  yield* near.sendTo('one', far.address);
  yield* near.sendTo('', far.address);
  const first = yield* far.recvFrom();
  const second = yield* far.recvFrom();
  return [String(first.data), second.data.length, first.from.port === near.address.port];
}

/** The programs by name, for the titles of the tests. */
export const programs: Readonly<Record<string, () => Operation<unknown>>> = {
  'a refused connection': refused,
  'a port in use': taken,
  'ends in both directions': halfClosed,
  'a reset': resetWithData,
  'a socket that was closed by this program': closedHere,
  'two receivers of one socket': twoReceivers,
  'lines, lengths and delimiters': messages,
  'a server that is drained': drained,
  'a handler that fails': handlersFail,
  'a pipe': piped,
  'a select of data and time': selectTwice,
  'a cancelled receive': cancelledReceive,
  'a retry that fails': retried,
  datagrams,
};
