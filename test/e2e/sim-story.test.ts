/** `coronet sim --report`: the story of a run, read as a file and drawn by a browser. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Chromium, withoutChromium } from '../support/chromium.ts';
import { coronet } from '../support/process/coronet-command.ts';
import { endProcesses } from '../support/process/process.ts';
import type { TraceJson } from '../support/trace-events.ts';
import { checkTraceEvents } from '../support/trace-events.ts';

endProcesses();

const folder = mkdtempSync(join(tmpdir(), 'coronet-story-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const DIST = new URL('../../dist/', import.meta.url);

/** Three echo servers, a thousand messages, a partition, a crash, a hold, and then a failure. */
const SCENARIO = `
import { connect, group, sleep, tcpServer } from '${DIST}index.js';
function* echo(socket) {
  const reader = socket.reader();
  for (let line; (line = yield* reader.readLine()) !== null; ) yield* socket.sendAll(line + '!\\n');
}
function* talk(host) {
  using socket = yield* connect(host + ':80');
  const reader = socket.reader();
  for (let i = 0; i < 350; i++) {
    yield* socket.sendAll('message ' + i + '\\n');
    yield* reader.readLine();
  }
}
`.replace('using socket =', 'const socket =');

const BUSY = `${SCENARIO}
const hosts = ['alpha', 'beta', 'gamma'];
export default function* (world) {
  for (const host of hosts) world.host(host, () => tcpServer(80, echo));
  yield* group(function* (tasks) {
    for (const host of hosts) {
      tasks.spawn(() => talk(host), { name: '<img src=x onerror="document.title=1"> ' + host });
    }
  });
  world.partition('alpha', '*');
  world.crash('gamma');
  yield* sleep(1000);
  world.restart('gamma');
  world.hold('main', 'beta');
  yield* sleep(50);
  throw new Error('</script><b>too many</b> messages');
}
`;

const QUIET = `import { sleep } from '${DIST}index.js';
export default function* () { yield* sleep(1000); }`;

function moduleOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const story = join(folder, 'story.html');

const trace = join(folder, 'trace.json');
let output = '';

beforeAll(async () => {
  const busy = moduleOf('busy.mjs', BUSY);
  const started = coronet('sim', busy, '--report', story, '--trace', trace);
  expect((await started.exit).code, started.stderr).toBe(1);
  output = started.stderr;
});

describe('coronet sim --report', () => {
  it('prints the failure as without the option, and the paths of the files', () => {
    expect(output).toContain('The simulation failed with seed 1');
    expect(output.trim().split('\n').slice(-2)).toEqual([
      `Story: ${story}`,
      `Trace: ${trace}, for https://ui.perfetto.dev`,
    ]);
  });

  it('writes one file that allows its own script and style only, and requests nothing', () => {
    const page = readFileSync(story, 'utf8');
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1];
    expect(policy?.replace(/sha256-[\w+/=]{44}/g, 'HASH').split('; ')).toEqual([
      "default-src 'none'",
      "script-src 'HASH'",
      "style-src 'HASH'",
      "base-uri 'none'",
      "form-action 'none'",
    ]);
    const json =
      /<script type="application\/json" id="story">(.*)<\/script>\n/.exec(page)?.[1] ?? '';
    expect(JSON.parse(json)).toMatchObject({ seed: 1 });
    expect(/[<>]/.test(json)).toBe(false);
    const rest = page.replace(json, '');
    const outside = /(?:src|href|action)=|url\(|@import|sourceMappingURL|style="/;
    expect(outside.exec(rest)).toBeNull();
  });

  it('records every message with both ends', () => {
    const page = readFileSync(story, 'utf8');
    const json = / id="story">(.*)<\/script>\n/.exec(page)?.[1] ?? '';
    const { recording, failure } = JSON.parse(json) as {
      recording: { entries: { type: string; message: number; at: number }[] };
      failure: { message: string; chain: string[] };
    };
    expect(failure).toMatchObject({
      message: '</script><b>too many</b> messages',
      chain: ['main'],
    });
    const sent = recording.entries.filter(({ type }) => type === 'send');
    const ended = recording.entries.filter(({ type }) => type === 'arrive' || type === 'lose');
    expect(sent.length).toBeGreaterThan(2000);
    const ends = new Set(ended.map(({ message }) => message));
    expect(sent.filter(({ message }) => !ends.has(message)).length).toBeLessThan(10);
  });

  it('writes the story of a single run that succeeds', async () => {
    const file = join(folder, 'single.html');
    const started = coronet('sim', moduleOf('quiet.mjs', QUIET), '--seed', '7', '--report', file);
    expect((await started.exit).code, started.stderr).toBe(0);
    expect(started.stderr).toBe(`\nStory: ${file}\n`);
    expect(readFileSync(file, 'utf8')).toContain('"failure":null');
  });

  it('writes nothing if all runs succeed, and leaves an older file', async () => {
    const file = moduleOf('older.html', 'older');
    const quiet = moduleOf('quiet.mjs', QUIET);
    const started = coronet('sim', quiet, '--runs', '20', '--report', file);
    expect((await started.exit).code, started.stderr).toBe(0);
    expect(started.stderr).toBe(`\nNot written: ${file}. No run has failed.\n`);
    expect(readFileSync(file, 'utf8')).toBe('older');
  });

  it('states that the recorded run differs, if the scenario is not deterministic', async () => {
    const file = join(folder, 'other.html');
    const changing = moduleOf(
      'changing.mjs',
      `let runs = 0;
      export default function* () {
        runs++;
        for (let i = 0; i < runs; i++) yield;
        throw new Error('broken');
      }`,
    );
    const started = coronet('sim', changing, '--no-shrink', '--report', file);
    expect((await started.exit).code, started.stderr).toBe(1);
    expect(readFileSync(file, 'utf8')).toContain(
      'The recorded run differs from the run that failed',
    );
  });

  it('keeps standard output one JSON object with --json', async () => {
    const failing = moduleOf('failing.mjs', 'export default function* () { throw 5; }');
    const args = ['--json', '--no-shrink', '--report', join(folder, 'json.html')];
    const started = coronet('sim', failing, '--runs', '3', ...args);
    expect((await started.exit).code, started.stderr).toBe(1);
    expect(JSON.parse(started.stdout)).toMatchObject({ ok: false, seed: 1 });
  });

  it('rejects a file in a folder that does not exist before it simulates', async () => {
    const quiet = moduleOf('quiet.mjs', QUIET);
    for (const [file, text] of [
      [join(folder, 'missing', 'story.html'), /^coronet: --report: the folder .* does not exist/],
      [folder, /^coronet: Expected --report to be a file, .* is a folder/],
      ['', /^coronet: Expected --report to be a file, got ''/],
    ] as const) {
      const started = coronet('sim', quiet, '--report', file);
      expect((await started.exit).code).toBe(2);
      expect(started.stderr).toMatch(text);
    }
  });

  it('rejects the file of --trace, which would replace it', async () => {
    const file = join(folder, 'one');
    const args = ['--report', file, '--trace', `${folder}/./one`];
    const started = coronet('sim', moduleOf('quiet.mjs', QUIET), ...args);
    expect((await started.exit).code).toBe(2);
    expect(started.stderr).toMatch(/^coronet: Expected --report and --trace to be two files/);
    expect(existsSync(file)).toBe(false);
  });
});

describe('coronet sim', () => {
  it.each(['--report', '--trace'])('rejects the scenario as the file of %s', async (option) => {
    const quiet = moduleOf('quiet.mjs', QUIET);
    const started = coronet('sim', quiet, option, `${folder}/./${basename(quiet)}`);
    expect((await started.exit).code).toBe(2);
    expect(started.stderr).toMatch(/^coronet: --\w+ would overwrite the scenario/);
    expect(readFileSync(quiet, 'utf8')).toBe(QUIET);
  });
});

describe('coronet sim --trace', () => {
  it('writes hosts as processes, tasks as tracks, messages as arrows, faults as instants', () => {
    const json = JSON.parse(readFileSync(trace, 'utf8')) as TraceJson;
    checkTraceEvents(json);
    const { traceEvents } = json;
    const named = traceEvents.filter(({ name }) => name === 'process_name');
    const processes = named.map(({ args }) => args?.['name']);
    expect(processes).toEqual(['main', 'alpha', 'beta', 'gamma', 'gamma, process 2']);
    const arrows = traceEvents.filter(({ ph, name }) => ph === 'f' && name === 'message');
    expect(arrows.length).toBeGreaterThan(2000);
    const instants = new Set(traceEvents.filter(({ ph }) => ph === 'i').map(({ name }) => name));
    for (const name of ['spawn', 'recv', 'finish', 'partition main', 'crash', 'hold beta']) {
      expect([...instants]).toContain(name);
    }
    const tracks = traceEvents.filter(({ name }) => name === 'thread_name');
    const tasks = tracks.map(({ args }) => args?.['name']);
    expect(tasks).toContain('<img src=x onerror="document.title=1"> alpha #2');
  });

  it('shows the steps of one instant one after the other, and the exact time', () => {
    const { traceEvents } = JSON.parse(readFileSync(trace, 'utf8')) as TraceJson;
    const times = traceEvents.filter(({ cat }) => cat === 'step').map(({ ts }) => ts);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(new Set(times).size).toBe(times.length);
    const last = traceEvents.findLast(({ args }) => args?.['atMs'] !== undefined);
    expect(Math.abs((last?.ts ?? 0) / 1000 - Number(last?.args?.['atMs']))).toBeLessThan(1);
  });
});

describe.skipIf(withoutChromium)('the page of a story in Chromium', () => {
  let browser: Chromium;
  beforeAll(async () => {
    browser = await Chromium.start();
    await browser.show(1400, 900);
    await browser.open(`file://${story}`);
  });
  afterAll(() => browser?.close());

  const text = (selector: string): Promise<string> =>
    browser.evaluate(`document.querySelector(${JSON.stringify(selector)}).innerText`);
  const count = (selector: string): Promise<number> =>
    browser.evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
  /** The numbers of "12 of 3,456 events". */
  const shown = async (): Promise<number[]> =>
    (await text('#count')).match(/[\d,]+/g)?.map((each) => Number(each.replace(',', ''))) ?? [];
  const click = (selector: string): Promise<void> =>
    browser.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);
  const filterTask = (name: string): Promise<void> =>
    browser.evaluate(`{
      const field = document.getElementById('task');
      field.value = ${JSON.stringify(name)};
      field.dispatchEvent(new Event('input'));
    }`);

  it('shows the error, the seed and the command, and no markup of the program', async () => {
    expect(await text('#title')).toBe('Error: </script><b>too many</b> messages');
    expect(await text('#facts')).toContain('seed 1');
    expect(await text('.command code')).toMatch(/^coronet sim .*busy\.mjs --replay \S+$/);
    expect(await text('.chain')).toBe('main');
    expect(await count('img')).toBe(0);
    expect(await browser.evaluate('document.title')).toMatch(/^Failed: busy\.mjs/);
  });

  it('opens at the failure, with the partition, the crash and the hold shaded', async () => {
    expect(await text('.row.failure')).toContain('too many');
    const bands = 'Array.from(document.querySelectorAll(".band-text"), (each) => each.textContent)';
    expect((await browser.evaluate<string[]>(bands)).join('; ')).toMatch(/cut off/);
    expect(await count('.band.down')).toBeGreaterThan(0);
    expect(await count('.band.hold')).toBeGreaterThan(0);
    expect(await count('.message.arrived')).toBeGreaterThan(5);
  });

  it('draws only the rows near the visible part of more than 5,000 events', async () => {
    const [, all = 0] = await shown();
    expect(all).toBeGreaterThan(5000);
    await click('#steps');
    await click('#control');
    expect(await shown()).toEqual([all]);
    expect(await count('.row')).toBeLessThan(150);
    await browser.evaluate('document.getElementById("chart").scrollTop = 0');
    const drawn = 'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))';
    await browser.evaluate(drawn);
    expect(await text('.row')).toContain('starts');
    expect(await count('.row')).toBeLessThan(150);
    await click('#steps');
    await click('#control');
  });

  it('filters by host and by task', async () => {
    const [before = 0] = await shown();
    await click('#hosts label:nth-child(4) input');
    const [withoutGamma = 0] = await shown();
    expect(withoutGamma).toBeLessThan(before);
    expect(await count('#headings .column')).toBe(3);
    await click('#hosts label:nth-child(4) input');
    expect((await shown())[0]).toBe(before);
    await filterTask('onerror="document.title=1"> beta');
    const [beta = 0] = await shown();
    expect(beta).toBeGreaterThan(500);
    expect(beta).toBeLessThan(before / 2);
    await filterTask('no such task');
    expect((await shown())[0]).toBe(1);
    await filterTask('');
  });

  it('moves with the keys and shows the details of the selected row', async () => {
    await click('#end');
    const key = (name: string): Promise<void> =>
      browser.evaluate(`document.getElementById('chart')
        .dispatchEvent(new KeyboardEvent('keydown', { key: '${name}', bubbles: true }))`);
    await key('ArrowUp');
    await key('ArrowUp');
    expect(await text('#details')).toMatch(/fails|exits/);
    await key('End');
    expect(await text('#details')).toContain('too many');
  });

  it('prints the last 1,500 events at once', async () => {
    await browser.evaluate('window.dispatchEvent(new Event("beforeprint"))');
    expect(await count('.row')).toBe(1500);
    await browser.evaluate('window.dispatchEvent(new Event("afterprint"))');
    expect(await count('.row')).toBeLessThan(150);
  });

  it('fits a narrow window, and the colours of a dark system', async () => {
    await browser.show(390, 800, 'dark');
    const width = 'document.documentElement.scrollWidth';
    expect(await browser.evaluate<number>(width)).toBeLessThanOrEqual(390);
    const background = await browser.evaluate('getComputedStyle(document.body).backgroundColor');
    expect(background).toBe('rgb(20, 23, 28)');
    await browser.show(1400, 900);
  });

  it('makes no request and violates no policy', () => {
    expect(browser.requests.filter((url) => url !== `file://${story}`)).toEqual([]);
    expect(browser.errors).toEqual([]);
  });
});
