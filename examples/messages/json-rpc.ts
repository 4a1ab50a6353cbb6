// JSON-RPC 2.0 with Content-Length headers, as editors and language servers exchange it: a codec
// of one's own, a server, and a client with two requests in progress.
import type { Codec, Operation, Socket } from 'coronet';
import { connect, group, listen, MalformedMessageError, messages, run, serve } from 'coronet';

interface Message {
  readonly jsonrpc: '2.0';
  readonly id?: number;
  readonly method?: string;
  readonly params?: readonly number[];
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string };
}

const MAX_HEADER = 256;
const MAX_BODY = 1_000_000;

function parse(body: Buffer | null): Message {
  try {
    return JSON.parse(String(body)) as Message;
  } catch (error) {
    throw new MalformedMessageError(`Expected JSON: ${(error as Error).message}`);
  }
}

const contentLength: Codec<Message> = {
  max: MAX_BODY,
  *decode(reader): Operation<Message | null> {
    let length = -1;
    for (;;) {
      const line = yield* reader.readLine({ max: MAX_HEADER });
      if (line === null) return null;
      if (line === '') break;
      const [, digits] = /^Content-Length: *(\d{1,7})$/i.exec(line) ?? [];
      if (digits !== undefined) length = Number(digits);
    }
    if (length < 0) throw new MalformedMessageError('Expected the header Content-Length');
    return parse(yield* reader.readExactly(length));
  },
  encode(message) {
    const body = Buffer.from(JSON.stringify(message));
    return [Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body];
  },
};

const methods: Readonly<Record<string, (params: readonly number[]) => unknown>> = {
  sum: (params) => params.reduce((sum, each) => sum + each, 0),
  max: (params) => Math.max(...params),
};

function answer({ id, method = '', params = [] }: Message): Message {
  const found = Object.hasOwn(methods, method) ? methods[method] : undefined;
  const outcome =
    found === undefined
      ? { error: { code: -32601, message: `There is no method '${method}'` } }
      : { result: found(params) };
  return { jsonrpc: '2.0', ...(id === undefined ? {} : { id }), ...outcome };
}

function* serveClient(socket: Socket): Operation<void> {
  const stream = messages(socket, contentLength);
  for (;;) {
    const request = yield* stream.receive();
    if (request === null) return;
    yield* stream.send(answer(request));
  }
}

await run(() =>
  group(function* (tasks): Operation<void> {
    const listener = yield* listen('127.0.0.1:0');
    const server = tasks.spawn(() => serve(listener, serveClient));
    using socket = yield* connect(listener.address);
    const stream = messages(socket, contentLength);
    yield* stream.sendBatch([
      { jsonrpc: '2.0', id: 1, method: 'sum', params: [1, 2, 3] },
      { jsonrpc: '2.0', id: 2, method: 'divide' },
    ]);
    console.log((yield* stream.receive())?.result);
    console.log((yield* stream.receive())?.error?.message);
    server.cancel();
  }),
);
// Output:
// 6
// There is no method 'divide'
