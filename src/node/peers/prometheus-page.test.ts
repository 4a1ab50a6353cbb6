/** The metrics page without the optional package prom-client. */
import { beforeEach, expect, it, vi } from 'vitest';
import { hidePackage, restorePackages } from '../../../test/support/missing-package.ts';
import { stderr } from '../process/line-output.ts';
import { metricsPage } from './prometheus-page.ts';

let lines: string[];

beforeEach(() => {
  lines = [];
  vi.spyOn(stderr, 'write').mockImplementation((line) => void lines.push(line));
});

restorePackages();

function writePage(): Promise<string> {
  return new Promise((resolve, reject) => {
    metricsPage([], (error, page) => (error === null ? resolve(page) : reject(error)));
  });
}

it('without prom-client, every page fails with the install command, reported once', async () => {
  hidePackage('prom-client');
  for (let i = 0; i < 2; i++) {
    await expect(writePage()).rejects.toMatchObject({
      code: 'ERR_MISSING_PEER',
      message: expect.stringContaining('npm install prom-client'),
    });
  }
  expect(lines).toEqual([expect.stringContaining('npm install prom-client')]);
});

it('the page is available as soon as prom-client has been installed', async () => {
  expect(await writePage()).toContain('process_cpu_seconds_total');
  expect(lines).toEqual([]);
});
