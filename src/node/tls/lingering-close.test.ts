import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Transport } from '../../world/network.ts';
import type { CipherStream } from './cipher-stream.ts';
import type { LingeringClose } from './lingering-close.ts';
import { ClosingCipherStream } from './lingering-close.ts';

// The runtime does not use the global timers, which fake timers replace.
vi.mock(import('../timers.ts'), async (original) => ({
  ...(await original()),
  setInterval: ((call: () => void, ms: number) =>
    globalThis.setInterval(call, ms)) as typeof setInterval,
  clearInterval: (timer) => globalThis.clearInterval(timer),
}));

const LINGER_MS = 5000;

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
  closing: ClosingCipherStream;
  lingering: Set<LingeringClose>;
} {
  const cipher = new FakeCipher();
  let closed = false;
  const raw = {
    close(): void {
      closed = true;
    },
  } as Transport;
  const lingering = new Set<LingeringClose>();
  const closing = new ClosingCipherStream(raw, cipher as unknown as CipherStream, lingering);
  return { cipher, closed: () => closed, closing, lingering };
}

describe('the lingering close of a TLS connection', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('keeps the raw transport open until the last bytes are sent', () => {
    const { closing, closed, cipher, lingering } = begin();
    expect([closed(), lingering.size]).toEqual([false, 1]);
    closing.flushed();
    expect([closed(), cipher.destroyed, lingering.size]).toEqual([true, true, 0]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('ends when no byte is sent for a whole period', () => {
    const { closed } = begin();
    vi.advanceTimersByTime(LINGER_MS);
    expect(closed()).toBe(false);
    vi.advanceTimersByTime(LINGER_MS);
    expect(closed()).toBe(true);
  });

  test('lasts several periods while bytes are sent, twelve at most', () => {
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

  test('ends when the peer accepts no more bytes', () => {
    const { closing, closed } = begin();
    closing.rawSendFailed();
    expect(closed()).toBe(true);
  });

  test('makes one last attempt to send when the network is closed', () => {
    const { lingering, cipher, closed } = begin();
    for (const closing of lingering) closing.finish();
    expect([cipher.flushes, closed()]).toEqual([1, true]);
  });
});
