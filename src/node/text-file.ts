/** Small text files, as programs that run now and then keep them. */
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** '' for a file that is not there. */
export function readText(path: string | URL): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return '';
    throw error;
  }
}

/** Adds to the end; a short text is added as a whole, also while others do the same. */
export function appendText(path: string | URL, text: string): void {
  mkdirSync(dirname(typeof path === 'string' ? path : fileURLToPath(path)), { recursive: true });
  appendFileSync(path, text);
}
