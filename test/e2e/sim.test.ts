/** `coronet sim` as a user types it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { encodeReplay } from '../../src/sim/replay/token.ts';
import type { Scenario, SimOptions, SimulationError } from '../../src/sim.ts';
import { simulate } from '../../src/sim.ts';
import { coronet } from '../support/process/coronet-command.ts';
import type { Process } from '../support/process/process.ts';
import { endProcesses, startNode } from '../support/process/process.ts';

const folder = mkdtempSync(join(tmpdir(), 'coronet-sim-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Writes a module for the command. */
function moduleOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function fixture(name: string): string {
  return fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
}

function sim(...args: readonly string[]): Process {
  return coronet('sim', ...args);
}

/** Returns the output of the command with --json. */
async function jsonOf(code: number, ...args: readonly string[]): Promise<JsonOutput> {
  const started = sim(...args, '--json');
  expect(await started.exit, started.stderr).toEqual({ code, signal: null });
  return JSON.parse(started.stdout) as JsonOutput;
}

interface JsonOutput {
  readonly ok: boolean;
  readonly seed: number;
  readonly runs: number;
  readonly traceHash: string;
  readonly replay: string;
  readonly shrunk: { readonly choices: number; readonly of: number; readonly traceHash: string };
  readonly commands: Readonly<Record<string, string>>;
  readonly [name: string]: unknown;
}

interface Race {
  readonly scenario: Scenario;
  readonly options: SimOptions;
}

/** The arguments in a printed command. */
function argumentsOf(command: string | undefined): string[] {
  expect(command).toMatch(/^coronet sim /);
  return (command as string).split(' ').slice(2);
}

// Every case starts processes, and these start threads.
vi.setConfig({ testTimeout: 60_000 });

describe('coronet sim', () => {
  endProcesses();

  it('prints a report of the runs', async () => {
    const started = sim(fixture('talk.mjs'), '--runs', '300', '--seed', '5');
    expect(await started.exit).toEqual({ code: 0, signal: null });
    expect(started.stdout).toMatch(/^300 runs, seeds 5 to 304: all succeeded\n {2}order +random, /);
    expect(started.stdout).toMatch(/^ {2}trace +[0-9a-f]{16}$/m);
    expect(started.stderr).toBe('');
  });

  it('prints the report that simulate returns, on any number of threads', async () => {
    const { default: talk } = (await import(fixture('talk.mjs'))) as { default: Scenario };
    const report = await simulate(talk, { runs: 300, seed: 3 });
    for (const workers of ['1', '3']) {
      const args = [fixture('talk.mjs'), '--runs', '300', '--seed', '3', '--workers', workers];
      expect(await jsonOf(0, ...args), `${workers} threads`).toEqual({ ok: true, ...report });
    }
  });

  it('finds the same first failure on any number of threads, as simulate does', async () => {
    const { default: race } = (await import(fixture('race.mjs'))) as { default: Race };
    const failure = (await simulate(race.scenario, { ...race.options, runs: 1000 }).catch(
      (e) => e,
    )) as SimulationError;
    const args = [fixture('race.mjs'), '--runs', '1000'];
    const [one, two] = [
      await jsonOf(1, ...args, '--workers', '1'),
      await jsonOf(1, ...args, '--workers', '2'),
    ];
    expect(one).toEqual(two);
    expect(one).toMatchObject({
      ok: false,
      runs: 1000,
      seed: failure.seed,
      run: failure.run,
      traceHash: failure.traceHash,
      replay: failure.replay,
      code: 'ERR_SIMULATION',
      error: { name: 'Error', message: 'lost update: 1 of 2' },
      shrunk: { choices: failure.shrunk?.choices, traceHash: failure.shrunk?.traceHash },
    });
  });

  it('prints commands that replay the failure', async () => {
    const found = await jsonOf(1, fixture('race.mjs'), '--runs', '1000', '--max-steps', '9000');
    const { seed, replay } = found.commands;
    expect(seed).toBe(`coronet sim ${fixture('race.mjs')} --max-steps 9000 --seed ${found.seed}`);
    const whole = await jsonOf(1, ...argumentsOf(seed));
    expect(whole.traceHash).toBe(found.traceHash);
    expect(whole.replay).toBe(found.replay);
    const shrunk = await jsonOf(1, ...argumentsOf(replay));
    expect(shrunk.traceHash).toBe(found.shrunk.traceHash);
    expect(shrunk.commands['replay']).toBe(replay);
  });

  it('prints an order that is not the default of the file', async () => {
    const found = await jsonOf(1, fixture('race.mjs'), '--runs', '1000', '--order', 'pct');
    expect(found.commands['seed']).toMatch(/--seed \d+ --order pct$/);
    const again = await jsonOf(1, ...argumentsOf(found.commands['seed']));
    expect(again.traceHash).toBe(found.traceHash);
  });

  it('prints the shrunk failure, its stack, and two commands that replay it', async () => {
    const started = sim(fixture('race.mjs'), '--runs', '1000');
    expect(await started.exit).toEqual({ code: 1, signal: null });
    expect(started.stdout).toBe('');
    expect(started.stderr).toMatch(/^The simulation failed with seed \d+, run \d+ of 1000, after /);
    expect(started.stderr).toMatch(/\nIt fails the same way with \d of its \d+ random choices/);
    expect(started.stderr).toMatch(
      /The thrown error:\n {2}Error: lost update.*\n +at .*race\.mjs:/,
    );
    expect(started.stderr).not.toContain('scheduler.js');
    const [whole, shrunk] = started.stderr.trimEnd().split('\n').slice(-2);
    expect(whole).toMatch(/^Replay: coronet sim \S+ --seed \d+$/);
    expect(shrunk).toMatch(/^Shrunk: coronet sim \S+ --replay \S+$/);
  });

  it('runs a single seed, whatever the number of runs in the file', async () => {
    const text = 'export default { *scenario() {}, options: { runs: 50, seed: 3 } };';
    const file = moduleOf('fifty.mjs', text);
    expect(await jsonOf(0, file)).toMatchObject({ runs: 50, seed: 3 });
    expect(await jsonOf(0, file, '--seed', '9')).toMatchObject({ runs: 1, seed: 9 });
    const started = sim(file, '--seed', '9');
    await started.exit;
    expect(started.stdout).toMatch(/^1 run, seed 9: succeeded\n/);
  });

  it('reports that a replay token does not fail any more', async () => {
    const found = await jsonOf(1, fixture('race.mjs'), '--runs', '1000');
    const started = sim(fixture('talk.mjs'), '--replay', found.replay);
    expect(await started.exit).toEqual({ code: 0, signal: null });
    const note =
      'The failure no longer occurs: the run of this token does not fail any more. Other runs of ' +
      `the changed program may. Make many: coronet sim ${fixture('talk.mjs')} --runs 1000`;
    expect(started.stdout).toMatch(/^1 run, seed \d+: succeeded\n/);
    expect(started.stdout.endsWith(`\n${note}\n`)).toBe(true);
    const report = await jsonOf(0, fixture('talk.mjs'), '--replay', found.replay);
    expect(report).toMatchObject({ ok: true, runs: 1, note });
  });

  it('reports that the replay token of a whole seed does not fail any more', async () => {
    const whole = { seed: 7, order: 'random', pctDepth: 3, allowed: null } as const;
    const started = sim(fixture('talk.mjs'), '--replay', encodeReplay(whole));
    expect(await started.exit).toEqual({ code: 0, signal: null });
    expect(started.stdout).toContain('The failure no longer occurs: the run of this token');
    const fresh = sim(fixture('talk.mjs'), '--seed', '7');
    await fresh.exit;
    expect(fresh.stdout).not.toContain('no longer occurs');
  });

  it('prints a handler that failed as a warning of a run that succeeded', async () => {
    const started = sim(fixture('failing-handler.mjs'), '--runs', '20', '--workers', '2');
    expect(await started.exit).toEqual({ code: 0, signal: null });
    const lines = started.stdout.split('\n').filter((line) => line.includes('warning'));
    expect(lines).toEqual([
      expect.stringMatching(
        /^ {2}warning: host 's': the handler of a connection failed: Error: a bug \(at .*\)$/,
      ),
    ]);
  });

  it('quotes the file name if a shell needs it', async () => {
    const file = moduleOf("it's one.mjs", 'export default function* () { throw new Error(); }');
    const started = sim(file);
    expect(await started.exit).toEqual({ code: 1, signal: null });
    expect(started.stderr).toContain("/it'\\''s one.mjs' --seed 1\n");
  });

  it('reports that a seed does not fail alone if a module keeps state between runs', async () => {
    const started = sim(fixture('module-state.mjs'), '--runs', '100', '--workers', '1');
    expect(await started.exit).toEqual({ code: 1, signal: null });
    expect(started.stderr).toContain('Error: the twentieth');
    expect(started.stderr).toContain('Seed 20 failed within the campaign, but does not fail when');
  });

  it('keeps the output of scenarios out of the JSON', async () => {
    const started = sim(fixture('module-state.mjs'), '--runs', '5', '--json', '--workers', '1');
    await started.exit;
    expect(started.stderr).toContain('printed while loaded\n');
    expect(JSON.parse(started.stdout)).toMatchObject({ runs: 5 });
  });

  it('checks for determinism, and prints the command that repeats the check', async () => {
    const found = await jsonOf(1, fixture('clock.mjs'), '--runs', '2', '--check-determinism');
    expect(found).toMatchObject({ code: 'ERR_NOT_DETERMINISTIC', seed: 1, replay: null });
    expect(found.commands['seed']).toMatch(/clock\.mjs --check-determinism --seed 1$/);
    expect(found.commands['replay']).toBeNull();
  });

  it('does not treat the exit of a thread as success', async () => {
    const started = sim(fixture('exits.mjs'), '--runs', '50', '--workers', '2');
    expect(await started.exit).toEqual({ code: 1, signal: null });
    expect(started.stderr).toContain('exited with code 7');
  });

  it('runs TypeScript if Node does, and otherwise reports that it does not', async () => {
    const started = sim(fixture('typed.ts'));
    const strips = Boolean((process.features as { typescript?: unknown }).typescript);
    expect(await started.exit).toEqual({ code: strips ? 0 : 2, signal: null });
    if (strips) expect(started.stdout).toContain('1 run, seed 1: succeeded');
    else expect(started.stderr).toContain('does not run TypeScript');
  });

  it('prints help that begins with examples', async () => {
    const started = sim('--help');
    expect(await started.exit).toEqual({ code: 0, signal: null });
    expect(started.stdout).toMatch(/^Examples:\n {2}coronet sim /);
  });
});

describe('simulateTest', () => {
  endProcesses();

  it('defines a test for node:test that fails with the report', async () => {
    const file = moduleOf('node-test.mjs', NODE_TEST);
    const started = startNode(import.meta.url, pathToFileURL(file).href);
    expect(await started.exit).toEqual({ code: 1, signal: null });
    expect(started.stdout).toMatch(/^ok 1 - passes$/m);
    expect(started.stdout).toMatch(/^not ok 2 - fails$/m);
    expect(started.stdout).toContain('The simulation failed with seed 1, run 1 of 100');
  });
});

const ENTRY = new URL('../../dist/sim.js', import.meta.url).href;
const NODE_TEST = `
import { test } from 'node:test';
import { simulateTest } from '${ENTRY}';
simulateTest('passes', function* () { yield; }, { test });
simulateTest('fails', function* () { yield; throw new Error('always'); }, { test });
`;

describe('coronet sim rejects', () => {
  endProcesses();
  const talkFile = fixture('talk.mjs');
  const wrong: readonly [what: string, args: readonly string[], expected: readonly string[]][] = [
    ['without a file', [], ['Expected a file', 'coronet sim FILE']],
    ['two files', ['a.mjs', 'b.mjs'], ["'a.mjs' and 'b.mjs'"]],
    [
      'a file that is not there',
      [fixture('talks.mjs')],
      ['does not exist', 'Did you mean talk.mjs?'],
    ],
    ['an unknown option', [talkFile, '--sed', '1'], ['--sed', 'Did you mean --seed?']],
    ['a seed of words', [talkFile, '--seed', 'one'], ["whole number from 0, got 'one'"]],
    ['a broken token', [talkFile, '--replay', 'AQEDKgA'], ['token', 'AQEDKgA']],
    ['seeds past the last', [talkFile, '--seed', '9007199254740991', '--runs', '2'], ['`seed`']],
    ['a file that throws', [fixture('throws.mjs')], ['Error: while loading', 'throws.mjs:2']],
    ['wrong options of the file', [fixture('wrong-options.mjs')], ['`order`', '"lifo"']],
  ];

  it.each(wrong)('%s', async (_, args, expected) => {
    const started = sim(...args);
    expect(await started.exit, started.stderr).toEqual({ code: 2, signal: null });
    expect(started.stderr).toMatch(/^coronet: /);
    for (const words of expected) expect(started.stderr).toContain(words);
    expect(started.stdout).toBe('');
  });

  it('a file with a syntax error, and prints the line', async () => {
    const broken = moduleOf('broken.mjs', 'export default 5;\nconst = 5;\n');
    const outer = moduleOf('outer.mjs', "import './broken.mjs';\n");
    for (const file of [broken, outer]) {
      const started = sim(file);
      expect(await started.exit).toEqual({ code: 2, signal: null });
      expect(started.stderr).toMatch(/broken\.mjs:2\nconst = 5;\n +\^\n\nSyntaxError: /);
    }
  });
});

describe('Ctrl-C', () => {
  endProcesses();
  const many = 100_000_000;

  it('stops a campaign, and prints how to continue', async () => {
    const args = ['--runs', `${many}`, '--seed', '7', '--workers', '1'];
    const started = sim(fixture('run-counter.mjs'), ...args);
    await started.until('runs are done', () => started.stderr === 'a thousand\n');
    started.child.kill('SIGINT');
    expect(await started.exit).toEqual({ code: 130, signal: null });
    const expected = /^Interrupted: (\d+) runs, seeds 7 to (\d+) succeeded\.\nContinue: (.*)$/m;
    const [, runs, last, command] = expected.exec(started.stderr) ?? [];
    const done = Number(runs);
    expect(Number(last)).toBe(6 + done);
    expect(command).toMatch(/^coronet sim \S+run-counter\.mjs --seed/);
    expect(command).toContain(`--seed ${7 + done} --runs ${many - done}`);
  });

  it('stops hung threads, and prints the progress as JSON', async () => {
    const args = ['--runs', `${many}`, '--workers', '2', '--json'];
    const started = sim(fixture('endless.mjs'), ...args);
    await started.until('it hangs', () => started.stderr.includes('busy'));
    started.child.kill('SIGINT');
    expect(await started.exit).toEqual({ code: 130, signal: null });
    const expected = JSON.parse(started.stdout) as JsonOutput;
    expect(expected).toMatchObject({
      ok: true,
      interrupted: true,
      seed: 1,
      next: expected.runs + 1,
    });
    expect(expected.runs).toBeLessThan(200);
  });
});
