/** The live page of `health` in a browser. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { health } from '../../../src/health.ts';
import type { Operation, Socket, SocketAddress } from '../../../src/index.ts';
import { Channel, connect, group, sleep, sleepForever, until } from '../../../src/index.ts';
import type { TestBackend } from '../../support/backends.ts';
import { realBackends } from '../../support/backends.ts';
import { Chromium, withoutChromium } from '../../support/chromium.ts';
import { endProcesses, startNode } from '../../support/process/process.ts';
import { withServer } from '../../support/servers.ts';
import { echo, eventually, LOOPBACK } from '../../support/sockets.ts';

const HOSTILE = '<img src=x onerror=document.title=1>';
/** The texts of the names in the tree. */
const NAMES = `[...document.querySelectorAll('#tree-rows .name')].map((name) => name.textContent)`;
const CONNECTIONS = `[...document.querySelectorAll('.chart')]
  .find((chart) => chart.textContent.startsWith('Open connections'))
  .querySelector('b').textContent`;

/** Echoes through a client, so that the charts change. */
function* talk(at: SocketAddress): Operation<never> {
  using socket = yield* connect(at);
  for (;;) {
    yield* socket.sendAll('hello');
    yield* socket.recv();
    yield* sleep(5);
  }
}

/** Serves a page of a program with known tasks and passes its address and its clients to `use`. */
function withPage(use: (url: string, clients: Socket[]) => Promise<void>): Promise<void> {
  return (realBackends[0] as TestBackend).run(() =>
    withServer(echo, function* (server): Operation<void> {
      yield* group(function* (tasks): Operation<void> {
        let address: SocketAddress | undefined;
        const onListening = (at: SocketAddress) => {
          address = at;
        };
        const options = { inspect: true, servers: { echo: server }, onListening };
        tasks.spawn(() => health(LOOPBACK, options), { name: 'health', daemon: true });
        tasks.spawn(sleepForever, { name: HOSTILE, daemon: true });
        const jobs = new Channel<number>(2, 'jobs');
        tasks.spawn(() => jobs.receive(), { name: 'a known task', daemon: true });
        for (let i = 0; i < 12; i++) {
          tasks.spawn(() => talk(server.address), { name: `client ${i}`, daemon: true });
        }
        const clients: Socket[] = [];
        for (let i = 0; i < 5; i++) clients.push(yield* connect(server.address));
        yield* eventually('it listens', () => address !== undefined);
        yield* until(use(`http://${address}/`, clients));
        for (const client of clients) client.close();
      });
    }),
  );
}

describe.skipIf(withoutChromium)('the live page in Chromium', () => {
  let browser: Chromium;

  beforeAll(async () => {
    browser = await Chromium.start();
  });

  beforeEach(async () => {
    await browser.open('about:blank');
    await browser.show(1280, 900);
    browser.requests.length = 0;
    browser.errors.length = 0;
  });

  afterAll(() => browser?.close());

  endProcesses();

  const names = (): Promise<string[]> => browser.evaluate(NAMES);

  it(
    'shows the tasks, connections and charts of a running program',
    () =>
      withPage(async (url, clients) => {
        await browser.open(url);
        await browser.until(`(${NAMES}).includes('a known task')`);
        await browser.until(`[...document.querySelectorAll('.plot .line')].every((line) => {
        return (line.getAttribute('d') ?? '').split('L').length >= 3;
      })`);
        const traffic = await browser.evaluate(`document.querySelector('.chart b').textContent`);
        expect(Number(traffic)).toBeGreaterThan(0);

        // Each client is a connection of the program at both ends.
        const before = Number(await browser.evaluate(CONNECTIONS));
        for (const client of clients) client.close();
        await browser.until(`Number(${CONNECTIONS}) <= ${before - 10}`);

        const origins = new Set(browser.requests.map((request) => new URL(request).origin));
        expect([...origins]).toEqual([new URL(url).origin]);
        expect(browser.errors).toEqual([]);
      }),
    60_000,
  );

  it(
    'shows names as text, whatever characters they contain',
    () =>
      withPage(async (url) => {
        await browser.open(url);
        await browser.until(`(${NAMES}).length > 3`);
        expect(await names()).toContain(HOSTILE);
        expect(await browser.evaluate(`document.querySelectorAll('img').length`)).toBe(0);
        expect(browser.errors).toEqual([]);
      }),
    60_000,
  );

  it(
    'can be read with the keyboard and with the filter',
    () =>
      withPage(async (url) => {
        await browser.open(url);
        await browser.until(`(${NAMES}).length > 3`);
        await browser.evaluate(`document.querySelector('#tree-rows tr').focus()`);
        await browser.press('ArrowLeft');
        expect(await names()).toHaveLength(1);
        await browser.press('ArrowRight');
        expect((await names()).length).toBeGreaterThan(3);
        await browser.press('ArrowDown');
        expect(await browser.evaluate('document.activeElement.ariaLevel')).toBe('2');
        const [root] = await names();
        await browser.evaluate(`{
        const filter = document.querySelector('input');
        filter.value = 'known';
        filter.dispatchEvent(new Event('input'));
      }`);
        expect(await names()).toEqual([root, 'a known task']);
      }),
    60_000,
  );

  it(
    'shows the tasks of a group one by one when its number is clicked',
    () =>
      withPage(async (url) => {
        await browser.open(url);
        const count = `[...document.querySelectorAll('.count')].find((each) => {
        return each.closest('tr').textContent.includes('client *');
      })`;
        await browser.until(`${count} !== undefined`);
        await browser.evaluate(`${count}.click()`);
        await browser.until(`(${NAMES}).includes('client 7')`);
      }),
    60_000,
  );

  it(
    'fits a phone and a desktop, in light and in dark colours',
    () =>
      withPage(async (url) => {
        await browser.open(url);
        await browser.until(`(${NAMES}).length > 3`);
        const red = `getComputedStyle(document.body).backgroundColor.match(/\\d+/g)[0]`;
        for (const [scheme, isRight] of [
          ['light', `${red} > 200`],
          ['dark', `${red} < 50`],
        ] as const) {
          for (const width of [320, 390, 768, 1280]) {
            await browser.show(width, 900, scheme);
            await browser.until(`innerWidth === ${width} && ${isRight}`);
            const widest = await browser.evaluate('document.documentElement.scrollWidth');
            expect(widest, `${width}`).toBe(width);
          }
        }
        expect(browser.errors).toEqual([]);
      }),
    60_000,
  );

  it('shows a large tree collapsed, and expands all of it', async () => {
    const program = startNode(import.meta.url, '../programs/live-page.mjs');
    await program.until('it prints its address', () => program.lines.length > 0);
    await browser.open(program.lines[0] as string);
    await browser.until(`(${NAMES}).includes('team m')`);
    expect(await names()).not.toContain('member ma');
    await browser.evaluate(`document.querySelector('#expand').click()`);
    expect(await names()).toContain('member ma');
    await browser.evaluate(`document.querySelector('#collapse').click()`);
    expect(await names()).not.toContain('member ma');
  }, 60_000);

  it('reports a process that does not answer, and one that has ended', async () => {
    const program = startNode(import.meta.url, '../programs/live-page.mjs');
    await program.until('it prints its address', () => program.lines.length > 0);
    const status = `document.querySelector('#status').textContent`;
    await browser.open(program.lines[0] as string);
    await browser.until(`${status} === 'Live'`);
    expect(await browser.evaluate('document.title')).toBe('live-page.mjs · Coronet');
    program.child.kill('SIGSTOP');
    await browser.until(`/^No answer for \\d+ s$/.test(${status})`);
    program.child.kill('SIGCONT');
    await browser.until(`${status} === 'Live'`);
    program.kill();
    await browser.until(`${status} === 'Not connected'`);
  }, 60_000);

  it(
    'cannot be read by a page of another origin',
    () =>
      withPage(async (url) => {
        await browser.open(`${url.replace('127.0.0.1', 'localhost')}livez`);
        const read = (options: string): Promise<string> => {
          const request = `fetch('${url}tasks', ${options})`;
          return browser.evaluate(`${request}.then((response) => response.text(), String)`);
        };
        expect(await read('{}')).toMatch(/Failed to fetch/);
        expect(await read(`{ mode: 'no-cors' }`)).not.toContain('version');
        expect(await browser.evaluate(`fetch('/tasks').then(({ status }) => status)`)).toBe(200);
      }),
    60_000,
  );
});
