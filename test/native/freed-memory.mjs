/**
 * The memory that V8 frees stays in the heap of glibc. The threshold for that cannot be read, but
 * it is half of the threshold from which blocks are mapped one by one: blocks of a megabyte come
 * from the heap.
 */
import { readFileSync } from 'node:fs';
import { check } from './support.mjs';

const COUNT = 16;
const BYTES = 1 << 20;

/** The length of the heap of the C library, in bytes. */
function heapBytes() {
  const line = readFileSync('/proc/self/maps', 'utf8').match(/^(\w+)-(\w+) .*\[heap\]$/m);
  return line === null ? 0 : Number.parseInt(line[2], 16) - Number.parseInt(line[1], 16);
}

const before = heapBytes();
const blocks = Array.from({ length: COUNT }, () => Buffer.allocUnsafeSlow(BYTES));
const grown = heapBytes() - before;
// Free parts of the heap may have taken some of the blocks.
check(grown > (COUNT * BYTES) / 2, `the heap grew by ${grown} bytes for ${blocks.length} MB`);
