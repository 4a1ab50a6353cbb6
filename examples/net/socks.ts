// A SOCKS5 proxy (RFC 1928) without authentication: node socks.js [port], then
// curl --socks5-hostname 127.0.0.1:1080 http://example.org/
import type { Operation, Reader, Socket } from 'coronet';
import { connect, group, main, pipe, tcpServer } from 'coronet';

const VERSION = 5;
const NO_AUTHENTICATION = 0;
const CONNECT = 1;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;

/** The reply codes of section 6. */
const SUCCEEDED = 0;
const UNREACHABLE = 4;
const COMMAND_NOT_SUPPORTED = 7;

function* take(reader: Reader, count: number): Operation<Buffer> {
  const bytes = yield* reader.readExactly(count);
  if (bytes === null) throw new Error('The client has disconnected');
  return bytes;
}

function* readHost(reader: Reader, kind: number | undefined): Operation<string> {
  if (kind === IPV4) return (yield* take(reader, 4)).join('.');
  if (kind === IPV6) {
    const groups = (yield* take(reader, 16)).toString('hex').match(/.{4}/g);
    return groups?.join(':') ?? '';
  }
  if (kind !== NAME) throw new Error(`an address of the unknown kind ${kind}`);
  const [length = 0] = yield* take(reader, 1);
  return String(yield* take(reader, length));
}

/** A reply; the bound address is left out, as most clients ignore it. */
function reply(code: number): Buffer {
  return Buffer.from([VERSION, code, 0, IPV4, 0, 0, 0, 0, 0, 0]);
}

function* serveClient(client: Socket): Operation<void> {
  const reader = client.reader();
  const [version, methods = 0] = yield* take(reader, 2);
  if (version !== VERSION) throw new Error(`Expected SOCKS version 5, got ${version}`);
  yield* take(reader, methods);
  yield* client.sendAll(Buffer.from([VERSION, NO_AUTHENTICATION]));
  const [, command, , kind] = yield* take(reader, 4);
  const host = yield* readHost(reader, kind);
  const port = (yield* take(reader, 2)).readUInt16BE();
  if (command !== CONNECT) return yield* client.sendAll(reply(COMMAND_NOT_SUPPORTED));
  let target: Socket;
  try {
    target = yield* connect({ host, port }, { timeoutMs: 10_000 });
  } catch {
    return yield* client.sendAll(reply(UNREACHABLE));
  }
  using _ = target;
  yield* client.sendAll(reply(SUCCEEDED));
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => pipe(client, target));
    yield* pipe(target, client);
  });
}

const [port = '1080'] = process.argv.slice(2);
await main(() => tcpServer(`127.0.0.1:${port}`, serveClient));
