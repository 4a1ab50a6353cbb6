// Sends a file to a client, which writes it to another file. Each chunk is sent or written before
// the next one is read, so memory holds a few of them, however large the file is.
import { createReadStream, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Operation, Socket } from 'coronet';
import { connect, each, group, listen, run, serve, shield, until } from 'coronet';

const folder = mkdtempSync(join(tmpdir(), 'coronet-'));
const source = join(folder, 'source');

/** Sends a file. An error of the file is thrown here, and a cancellation closes the file. */
function* sendFile(socket: Socket, path: string): Operation<void> {
  yield* each(createReadStream(path), (chunk: Buffer) => socket.sendAll(chunk));
}

/** Receives up to end of file. */
function* receiveFile(socket: Socket, path: string): Operation<void> {
  const file = yield* until(open(path, 'wx'));
  try {
    for (;;) {
      const data = yield* socket.recv(65_536);
      if (data.length === 0) break;
      yield* until(file.appendFile(data));
    }
  } finally {
    yield* shield(until(file.close()));
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
