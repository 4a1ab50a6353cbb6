/** The metrics page when the process has no descriptor left. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const PROGRAM = fileURLToPath(
  new URL('programs/metrics-descriptor-exhaustion.mjs', import.meta.url),
);

test.skipIf(process.platform === 'win32')(
  'a metrics page that failed for lack of descriptors succeeds later',
  () => {
    const shell = 'ulimit -n 80 && exec "$@"';
    const output = String(execFileSync('sh', ['-c', shell, 'sh', process.execPath, PROGRAM]));
    const statuses = output.split('\n').map((line) => line.slice(9, 12));
    expect(statuses).toEqual(['500', '200', '']);
  },
);
