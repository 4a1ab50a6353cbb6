/** The metrics page without the optional package prom-client. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { stderr } from '../process/line-output.ts';
import { metricsPage } from './prometheus-page.ts';

let missing = '';

function withoutMissing(load: NodeJS.Require): NodeJS.Require {
  const guarded = (name: string): unknown => {
    if (name !== missing) return load(name);
    throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' });
  };
  return Object.assign(guarded, load);
}

let lines: string[];

beforeEach(() => {
  lines = [];
  const modules = process.getBuiltinModule('node:module');
  const { createRequire } = modules;
  vi.spyOn(modules, 'createRequire').mockImplementation((url) => {
    return withoutMissing(createRequire(url));
  });
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
  missing = 'prom-client';
  for (let i = 0; i < 2; i++) {
    await expect(writePage()).rejects.toMatchObject({
      code: 'ERR_MISSING_PEER',
      message: expect.stringContaining('npm install prom-client'),
    });
  }
  expect(lines).toEqual([expect.stringContaining('npm install prom-client')]);
});

it('the page is available as soon as prom-client has been installed', async () => {
  missing = '';
  expect(await writePage()).toContain('process_cpu_seconds_total');
  expect(lines).toEqual([]);
});
