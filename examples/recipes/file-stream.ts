// Sends a file to a client, and receives it into another file. `pipe` and `fromDuplex` keep the
// backpressure: memory holds a few chunks, however large the file is.
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Operation, Socket } from 'coronet';
import { connect, each, group, listen, run, serve, until } from 'coronet';

const folder = mkdtempSync(join(tmpdir(), 'coronet-'));
const source = join(folder, 'source');

/** Sends a file. An error of the file is thrown here, and a cancellation closes the file. */
function* sendFile(socket: Socket, path: string): Operation<void> {
  yield* each(createReadStream(path), (chunk: Buffer) => socket.sendAll(chunk));
}

/** Receives up to end of file. */
function* receiveFile(socket: Socket, path: string): Operation<void> {
  const file = createWriteStream(path);
  try {
    for (;;) {
      const data = yield* socket.recv(65_536);
      if (data.length === 0) break;
      yield* until(new Promise((resolve) => file.write(data, resolve)));
    }
    yield* until(new Promise<void>((resolve) => file.end(resolve)));
  } finally {
    file.destroy();
  }
}

await run(function* () {
  writeFileSync(source, Buffer.alloc(3_000_000, 'x'));
  const listener = yield* listen('127.0.0.1:0');
  yield* group(function* (tasks): Operation<void> {
    const download = (socket: Socket) => sendFile(socket, source);
    tasks.spawn(() => serve(listener, download), { daemon: true });
    using client = yield* connect(listener.address);
    yield* receiveFile(client, join(folder, 'copy'));
  });
  console.log(`${statSync(join(folder, 'copy')).size} bytes`);
  rmSync(folder, { recursive: true });
});

// Output:
// 3000000 bytes
