import { describe, expect, it } from 'vitest';
import type { Operation } from '../../../src/index.ts';
import { group } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import {
  fill,
  onPair,
  receiveAll,
  receiveExactly,
  together,
  untilWaiting,
  withPair,
} from '../../support/sockets.ts';

for (const backend of backends) {
  describe(`sendv on ${backend.name}`, () => {
    expectNothingLeft(backend);

    it('pieces arrive in order, as one message', () => expectWhole(['GOT:', 'Hello', '\n']));

    it('empty pieces are ignored at any position', () =>
      expectWhole(['', '', 'a', '', 'bc', '', '', 'd', '']));

    it('a hundred and thirty pieces take several calls', () =>
      expectWhole(Array.from({ length: 130 }, (_, i) => `piece ${i};`)));

    it('sixty-four pieces take one call, sixty-five take two', async () => {
      await expectWhole(Array.from({ length: 64 }, (_, i) => `${i},`));
      await expectWhole(Array.from({ length: 65 }, (_, i) => `${i},`));
    });

    it('a thousand pieces of one byte arrive', () =>
      expectWhole(Array.from({ length: 1000 }, (_, i) => String(i % 10))));

    it('empty pieces between sixty-four full ones do not hide the pieces after them', () =>
      expectWhole(Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? '' : `${i} `))));

    it('an array of a subclass is read once, so what was checked is what is sent', () => {
      class Deceptive extends Array<Uint8Array> {
        reads = 0;
        override *[Symbol.iterator](): ArrayIterator<Uint8Array> {
          this.reads += 1;
          yield Buffer.from('checked');
        }
        override filter(): never {
          throw new Error('filter must not be called');
        }
      }
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          const pieces = new Deceptive();
          pieces.push(Buffer.from('unchecked'));
          yield* near.sendv(pieces);
          expect(pieces.reads).toBe(1);
          near.shutdown('send');
          expect(String(yield* receiveAll(far))).toBe('checked');
        }),
      );
    });

    it('large pieces are sent in several parts', () => {
      const pieces = Array.from({ length: 90 }, (_, i) => pattern(70_001 + i, i + 1));
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* together(
            function* (): Operation<void> {
              yield* near.sendv(pieces);
              near.close();
            },
            function* (): Operation<void> {
              expect(digest(yield* receiveAll(far, 50_000))).toBe(digest(Buffer.concat(pieces)));
            },
          );
        }),
      );
    });

    it('sendv waits when it would block, and continues within a piece', () =>
      onPair(backend, function* (near, far): Operation<void> {
        const filled = yield* fill(near);
        yield* group(function* (tasks): Operation<void> {
          const pieces = [Buffer.from('head'), pattern(3_000_000), Buffer.from('tail')];
          const sender = tasks.spawn(() => near.sendv(pieces));
          yield* untilWaiting(sender);
          yield* receiveExactly(far, filled);
          const all = Buffer.concat(pieces);
          expect(digest(yield* receiveExactly(far, all.length))).toBe(digest(all));
          yield* sender.join();
        });
      }));

    it("the caller's list of pieces is not changed", () => {
      const pieces = Object.freeze([Buffer.from('a'), new Uint8Array(0), Buffer.from('b')]);
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* near.sendv(pieces);
          expect(pieces.map(String)).toEqual(['a', '', 'b']);
          expect(String(yield* receiveExactly(far, 2))).toBe('ab');
        }),
      );
    });

    function expectWhole(texts: readonly string[]): Promise<void> {
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* near.sendv(texts.map((text) => Buffer.from(text)));
          near.shutdown('send');
          expect(String(yield* receiveAll(far))).toBe(texts.join(''));
        }),
      );
    }
  });
}
