import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Transport } from '../../world/network.ts';
import type { CipherStream } from './cipher-stream.ts';
import { LingeringClose } from './lingering-close.ts';

const LINGER_MS = 100;

class FakeCipher {
  owner: unknown = null;
  unsent = 1000;
  destroyed = false;
  flushes = 0;

  flushNow(): void {
    this.flushes += 1;
  }

  destroy(): void {
    this.destroyed = true;
  }
}

function begin(): {
  cipher: FakeCipher;
  closed: () => boolean;
  farewell: LingeringClose;
  left: Set<unknown>;
} {
  const cipher = new FakeCipher();
  let closed = false;
  const raw = {
    close(): void {
      closed = true;
    },
  } as Transport;
  const home = { lingering: new Set<LingeringClose>(), lingerMs: LINGER_MS };
  const farewell = new LingeringClose(raw, cipher as unknown as CipherStream, home);
  return { cipher, closed: () => closed, farewell, left: home.lingering };
}

describe('the last bytes of a closed connection', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('keep it open until they are gone', () => {
    const { farewell, closed, cipher, left } = begin();
    expect([closed(), left.size]).toEqual([false, 1]);
    farewell.flushed();
    expect([closed(), cipher.destroyed, left.size]).toEqual([true, true, 0]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('are given up when none of them goes for a whole period', () => {
    const { closed } = begin();
    vi.advanceTimersByTime(LINGER_MS);
    expect(closed()).toBe(false);
    vi.advanceTimersByTime(LINGER_MS);
    expect(closed()).toBe(true);
  });

  test('may take several periods while some of them go, but not for ever', () => {
    const { cipher, closed } = begin();
    for (let period = 1; period < 12; period++) {
      cipher.unsent -= 1;
      vi.advanceTimersByTime(LINGER_MS);
      expect(closed()).toBe(false);
    }
    cipher.unsent -= 1;
    vi.advanceTimersByTime(LINGER_MS);
    expect(closed()).toBe(true);
  });

  test('are given up when the peer takes nothing more', () => {
    const { farewell, closed } = begin();
    farewell.rawSendFailed();
    expect(closed()).toBe(true);
  });

  test('get one more try when the network is closed', () => {
    const { farewell, cipher, closed } = begin();
    farewell.finish();
    expect([cipher.flushes, closed()]).toEqual([1, true]);
  });
});
