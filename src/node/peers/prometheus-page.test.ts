/** The metrics page without the optional package prom-client. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { stderr } from '../process/line-output.ts';
import { metricsPage } from './prometheus-page.ts';

const missing = vi.hoisted(() => ({ name: '' }));

vi.mock('node:module', async (load) => {
  const real = await load<typeof import('node:module')>();
  const createRequire: typeof real.createRequire = (url) => {
    const load = real.createRequire(url);
    const guarded = (name: string): unknown => {
      if (name !== missing.name) return load(name);
      throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' });
    };
    return Object.assign(guarded, load);
  };
  return { ...real, createRequire };
});

let lines: string[];

beforeEach(() => {
  lines = [];
  vi.spyOn(stderr, 'write').mockImplementation((line) => void lines.push(line));
});

afterEach(() => {
  vi.restoreAllMocks();
});

function writePage(): Promise<string> {
  return new Promise((resolve, reject) => {
    metricsPage([], (error, page) => (error === null ? resolve(page) : reject(error)));
  });
}

it('without prom-client, every page fails with the install command, reported once', async () => {
  missing.name = 'prom-client';
  for (let i = 0; i < 2; i++) {
    await expect(writePage()).rejects.toMatchObject({
      code: 'ERR_MISSING_PEER',
      message: expect.stringContaining('npm install prom-client'),
    });
  }
  expect(lines).toEqual([expect.stringContaining('npm install prom-client')]);
});

it('the page is available as soon as prom-client has been installed', async () => {
  missing.name = '';
  expect(await writePage()).toContain('process_cpu_seconds_total');
  expect(lines).toEqual([]);
});
