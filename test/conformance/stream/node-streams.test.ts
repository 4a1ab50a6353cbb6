/** Node streams over every kind of socket: gzip, files, node:http, web streams. */
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Operation, Socket } from '../../../src/index.ts';
import { group, toDuplex, toWebStreams, until } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import { withPair, withTightPair } from '../../support/sockets.ts';
import { withSecurePair } from '../../support/tls.ts';

type Pair = (body: (near: Socket, far: Socket) => Operation<void>) => Operation<void>;

const kinds: readonly (readonly [string, Pair])[] = [
  ['TCP', (body) => withPair(body)],
  ['Unix', (body) => withTightPair(body)],
  ['TLS', (body) => withSecurePair(body)],
];

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'coronet-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

for (const backend of backends.filter(({ real }) => real)) {
  describe.each(kinds)(`streams over %s on ${backend.name}`, (kind, pair) => {
    expectNothingLeft(backend);

    it('a file passes compressed from socket to socket into another file', () => {
      const data = pattern(1_500_000);
      const from = join(folder, `${kind}-${backend.name}-from`);
      const to = join(folder, `${kind}-${backend.name}-to`);
      writeFileSync(from, data);
      return backend
        .run(() =>
          pair((near, far) =>
            group(function* (tasks): Operation<void> {
              const sending = pipeline(createReadStream(from), createGzip(), toDuplex(near));
              tasks.spawn(() => until(sending));
              yield* until(pipeline(toDuplex(far), createGunzip(), createWriteStream(to)));
            }),
          ),
        )
        .then(() => expect(digest(readFileSync(to))).toBe(digest(data)));
    });

    it('http.Server and http.get communicate over two ends of a connection', () =>
      backend.run(() =>
        pair(function* (near, far): Operation<void> {
          const server = createServer((request, response) => response.end(`got ${request.url}`));
          server.emit('connection', toDuplex(far));
          expect(yield* until(fetchOver(toDuplex(near), '/page'))).toBe('got /page');
        }),
      ));

    it('web streams carry bytes and the end of file in both directions', () =>
      backend.run(() =>
        pair(function* (near, far): Operation<void> {
          const ours = toWebStreams(near);
          const theirs = toWebStreams(far);
          const echoing = theirs.readable.pipeTo(theirs.writable);
          const writer = ours.writable.getWriter();
          yield* until(writer.write(Buffer.from('there and back')));
          yield* until(writer.close());
          expect(yield* until(new Response(ours.readable).text())).toBe('there and back');
          yield* until(echoing);
        }),
      ));
  });
}

/** The response of an HTTP server at the other end of `stream`. */
function fetchOver(stream: Duplex, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const createConnection = () => stream;
    const request = get({ path, createConnection }, (response) => {
      resolve(text(response));
    });
    request.on('error', reject);
  });
}
