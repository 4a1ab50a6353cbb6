import { describe, expect, it } from 'vitest';
import type { Operation } from '../../../src/index.ts';
import { group } from '../../../src/index.ts';
import { backends } from '../../support/backends.ts';
import { digest, pattern } from '../../support/data.ts';
import { expectNothingLeft } from '../../support/leaks.ts';
import {
  failure,
  fill,
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

    it('empty pieces are nothing, wherever they stand', () => {
      return expectWhole(['', '', 'a', '', 'bc', '', '', 'd', '']);
    });

    it('a hundred and thirty pieces are more than one call takes', () => {
      return expectWhole(Array.from({ length: 130 }, (_, i) => `piece ${i};`));
    });

    it('sixty-four, and sixty-five, pieces are the edge of one call', async () => {
      await expectWhole(Array.from({ length: 64 }, (_, i) => `${i},`));
      await expectWhole(Array.from({ length: 65 }, (_, i) => `${i},`));
    });

    it('a thousand pieces of one byte arrive', () => {
      return expectWhole(Array.from({ length: 1000 }, (_, i) => String(i % 10)));
    });

    it('empty pieces between sixty-four full ones do not hide those behind them', () => {
      return expectWhole(Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? '' : `${i} `)));
    });

    it('large pieces go out over several partial sends', () => {
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

    it('it waits for room, and goes on within a piece', () => {
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
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
        }),
      );
    });

    it('the list of pieces is not changed', () => {
      const pieces = Object.freeze([Buffer.from('a'), new Uint8Array(0), Buffer.from('b')]);
      return backend.run(() =>
        withPair(function* (near, far): Operation<void> {
          yield* near.sendv(pieces);
          expect(pieces.map(String)).toEqual(['a', '', 'b']);
          expect(String(yield* receiveExactly(far, 2))).toBe('ab');
        }),
      );
    });

    it('what is no list of bytes is refused', () => {
      return backend.run(() =>
        withPair(function* (near): Operation<void> {
          const wrong = 'text' as unknown as Uint8Array[];
          expect(yield* failure(() => near.sendv(wrong))).toBeInstanceOf(TypeError);
          expect(() => near.sendv(['x'] as unknown as Uint8Array[])).toThrow(TypeError);
          expect(near.bytesSent).toBe(0);
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
