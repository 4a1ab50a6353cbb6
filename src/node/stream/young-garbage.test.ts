import { constants, PerformanceObserver } from 'node:perf_hooks';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { COLLECT_BYTES, findCollector, ReceivedMemory } from './young-garbage.ts';

/** The kinds of the collections that `work` causes. */
function collectionsOf(work: () => void): Promise<number[]> {
  return new Promise((resolve) => {
    const observer = new PerformanceObserver((list) => {
      observer.disconnect();
      resolve(list.getEntries().map((entry) => (entry as unknown as Collection).detail.kind));
    });
    observer.observe({ entryTypes: ['gc'] });
    work();
  });
}

interface Collection {
  readonly detail: { readonly kind: number };
}

it('a request for young garbage is a minor collection', async () => {
  const collect = findCollector();
  const kinds = await collectionsOf(() => collect?.({ type: 'minor' }));
  expect(kinds).toContain(constants.NODE_PERFORMANCE_GC_MINOR);
});

it('the collector of young garbage is not visible in the program or in later contexts', () => {
  const exposed = 'gc' in globalThis;
  expect(findCollector()).toBeTypeOf('function');
  expect('gc' in globalThis).toBe(exposed);
  expect(runInNewContext('typeof gc')).toBe(exposed ? 'function' : 'undefined');
});

it('collections of young garbage that are slow are requested after more and more bytes', () => {
  let tookMs = 2;
  let bytes = 0;
  const requestedAfter: number[] = [];
  const received = new ReceivedMemory(() => {
    requestedAfter.push(bytes / COLLECT_BYTES);
    bytes = 0;
    return tookMs;
  });
  const receive = (requests: number): number[] => {
    requestedAfter.length = 0;
    while (requestedAfter.length < requests) {
      bytes += 8192;
      received.add(8192);
    }
    return requestedAfter;
  };
  expect(receive(9)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 128]);
  tookMs = 0.5;
  expect(receive(9)).toEqual([128, 64, 32, 16, 8, 4, 2, 1, 1]);
});
