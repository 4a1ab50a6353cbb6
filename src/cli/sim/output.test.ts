import { describe, expect, it } from 'vitest';
import type { SimReport } from '../../sim/report/report.ts';
import { progressLine, successText } from './output.ts';

const report: SimReport = {
  runs: 1000,
  seed: 5,
  order: 'random',
  traceHash: '0123456789abcdef',
  steps: 100,
  events: 250,
  virtualMs: 90_000,
  faults: { shortReads: 12, crash: 1 },
  interleavings: 1,
  deterministic: false,
  warnings: Array.from({ length: 12 }, (_, i) => `warning ${i}`),
};

describe('the text report', () => {
  it('has a line for each fact', () => {
    const lines = successText(report).split('\n');
    expect(lines.slice(0, 7)).toEqual([
      '1000 runs, seeds 5 to 1004: all succeeded',
      '  order          random, 1 interleaving',
      '  events         250, 100 of them task steps',
      '  virtual time   1.5 minutes',
      '  faults         shortReads 12, crash 1',
      '  trace          0123456789abcdef (not deterministic)',
      '  warning: warning 0',
    ]);
    expect(lines.at(-2)).toBe('  and 2 more warnings');
  });

  it('shows the virtual time in the largest unit that fits', () => {
    const times = [0.5, 999, 1000, 3_600_000, 365 * 86_400_000];
    const words = times.map((virtualMs) => {
      return /time +(.*)/.exec(successText({ ...report, virtualMs }))?.[1];
    });
    expect(words).toEqual(['0.5 ms', '999 ms', '1 seconds', '1 hours', '365 days']);
  });
});

describe('the progress of a campaign', () => {
  it('shows a bar, the number of runs, their rate and the remaining time', () => {
    const half = progressLine(500, 1000, 2000);
    expect(half).toBe('[############------------] 500 of 1000 runs, 250/s, 2 s left');
    expect(progressLine(0, 10, 0)).toBe(`[${'-'.repeat(24)}] 0 of 10 runs, 0/s`);
    expect(progressLine(10, 10, 1000)).toBe(`[${'#'.repeat(24)}] 10 of 10 runs, 10/s, 0 s left`);
  });
});
