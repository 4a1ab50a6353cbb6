/** `trace` in a process that ends early: the file is complete. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { endProcesses, Process } from '../support/process/process.ts';
import type { TraceJson } from '../support/trace-events.ts';
import { checkTraceEvents } from '../support/trace-events.ts';

endProcesses();

const folder = mkdtempSync(join(tmpdir(), 'coronet-trace-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const DIST = new URL('../../dist/', import.meta.url);
const file = join(folder, 'trace.json');

/** Traces 5,000 yields, prints "ready", and then runs `body` in the traced task. */
function start(body: string): Process {
  const program = join(folder, 'program.mjs');
  writeFileSync(
    program,
    `import { sleep } from '${DIST}index.js';
    import { trace } from '${DIST}inspect.js';
    await trace(function* () {
      for (let i = 0; i < 5000; i++) yield;
      console.log('ready');
      ${body}
    }, { file: ${JSON.stringify(file)}, name: 'program' });`,
  );
  return new Process(process.execPath, [program]);
}

function steps(): number {
  const json = JSON.parse(readFileSync(file, 'utf8')) as TraceJson;
  checkTraceEvents(json);
  return json.traceEvents.filter(({ cat }) => cat === 'step').length;
}

describe('the file of a trace', () => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    it(`contains every step when ${signal} ends the process`, async () => {
      const started = start('yield* sleep(60_000);');
      await started.until('the program waits', () => started.stdout.includes('ready'));
      started.child.kill(signal);
      expect(await started.exit).toEqual({ code: null, signal });
      expect(steps()).toBe(5001);
    });
  }

  it('is one of two that a signal completes', async () => {
    const other = join(folder, 'other.json');
    const second = `trace(() => sleep(60_000), { file: ${JSON.stringify(other)} });`;
    const started = start(`${second} yield; console.log('two'); yield* sleep(60_000);`);
    await started.until('both wait', () => started.stdout.includes('two'));
    started.child.kill('SIGTERM');
    expect(await started.exit).toEqual({ code: null, signal: 'SIGTERM' });
    expect(steps()).toBeGreaterThan(5000);
    checkTraceEvents(JSON.parse(readFileSync(other, 'utf8')) as TraceJson);
  });

  it('is valid JSON when SIGKILL ends the process', async () => {
    const started = start('yield* sleep(60_000);');
    await started.until('the program waits', () => started.stdout.includes('ready'));
    started.kill();
    await started.exit;
    expect(steps()).toBeGreaterThan(4000);
  });

  it('contains every step when the program calls process.exit', async () => {
    const started = start('process.exit(3);');
    expect(await started.exit).toEqual({ code: 3, signal: null });
    expect(steps()).toBe(5000);
  });

  it('leaves a signal to the program that listens for it', async () => {
    const listen = `process.once('SIGTERM', () => { console.log('asked'); process.exit(0); });`;
    const started = start(`${listen} console.log('set'); yield* sleep(60_000);`);
    await started.until('the program waits', () => started.stdout.includes('set'));
    started.child.kill('SIGTERM');
    expect(await started.exit).toEqual({ code: 0, signal: null });
    expect(started.stdout).toContain('asked');
    expect(steps()).toBe(5001);
  });

  it('makes a run that succeeds fail if it cannot be written', async () => {
    const program = join(folder, 'full.mjs');
    writeFileSync(
      program,
      `import { trace } from '${DIST}inspect.js';
      await trace(function* () { for (let i = 0; i < 5000; i++) yield; }, { file: '/dev/full' })
        .catch((error) => console.log(error.code));`,
    );
    const started = new Process(process.execPath, [program]);
    expect((await started.exit).code, started.stderr).toBe(0);
    expect(started.stdout).toBe('ENOSPC\n');
  });
});
