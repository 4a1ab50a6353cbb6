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
  let before = 0;
  beforeEach(() => {
    before = openSockets();
  });
  afterEach(async () => {
    expect(backend.counters()).toEqual({ transports: 0, listeners: 0, datagrams: 0, slabs: 0 });
    await expect.poll(() => nonZero(backend.residue()), { timeout: 2000, interval: 2 }).toEqual({});
    await expect.poll(openSockets, { timeout: 5000, interval: 5 }).toBe(before);
    expect(leftOpen.splice(0)).toEqual([]);
  });
}

function nonZero(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
}

/** The number of sockets that this process has open; 0 where there is no /proc. */
export function openSockets(): number {
  return descriptors().filter(isSocket).length;
}

function descriptors(): string[] {
  try {
    return readdirSync('/proc/self/fd');
  } catch {
    return []; // Only Linux has /proc/self/fd.
  }
}

function isSocket(descriptor: string): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`).startsWith('socket:');
  } catch {
    return false; // The descriptor of the directory itself: readdir has closed it.
  }
}
