/** Checks that a test leaves nothing open. */
import { readdirSync, readlinkSync } from 'node:fs';
import { afterEach, beforeEach, expect } from 'vitest';
import type { TestBackend } from './backends.ts';

/** The ERR_LEFT_OPEN warnings of the current test, except those that `warningsOf` has returned. */
const leftOpen: Error[] = [];

process.on('warning', (warning: Error & { code?: string }) => {
  if (warning.code === 'ERR_LEFT_OPEN') leftOpen.push(warning);
});

/** Checks after every test that the network, the layer below it and the process hold no socket. */
export function expectNothingLeft(backend: TestBackend): void {
  let before: ReadonlySet<string>;
  beforeEach(() => {
    leftOpen.length = 0;
    before = openSockets();
  });
  afterEach(async () => {
    expect(backend.counters()).toEqual({ transports: 0, listeners: 0, datagrams: 0, slabs: 0 });
    await expect.poll(() => nonZero(backend.residue()), { timeout: 2000, interval: 2 }).toEqual({});
    // Sockets of earlier tests in the same process may have been closed since.
    const added = () => [...openSockets()].filter((socket) => !before.has(socket));
    await expect.poll(added, { timeout: 5000, interval: 5 }).toEqual([]);
    expect(leftOpen.splice(0)).toEqual([]);
  });
}

function nonZero(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
}

/** The sockets that this process has open, as `socket:[inode]`; none where there is no /proc. */
function openSockets(): Set<string> {
  return new Set(
    descriptors()
      .map(target)
      .filter((name) => name.startsWith('socket:')),
  );
}

function descriptors(): string[] {
  try {
    return readdirSync('/proc/self/fd');
  } catch {
    return []; // Only Linux has /proc/self/fd.
  }
}

function target(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return ''; // The descriptor of the directory itself: readdir has closed it.
  }
}
