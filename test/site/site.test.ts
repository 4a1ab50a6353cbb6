/**
 * The built site in Chromium. Run by `.ci/run site`, which builds it before; CORONET_TEST_SITE=1
 * npx vitest run test/site tests what `npm run docs` has built.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Chromium, withoutChromium } from '../support/chromium.ts';

const DIST = fileURLToPath(new URL('../../build/site/dist', import.meta.url));
const isSkipped = process.env['CORONET_TEST_SITE'] === undefined || withoutChromium;

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
};

/** All pages that were written by hand, and some of those that are generated. */
const pages = isSkipped
  ? []
  : [
      ...readdirSync(DIST, { recursive: true, encoding: 'utf8' }).filter(isWritten),
      'api/coronet/functions/tcpServer.html',
      'api/coronet/classes/Channel.html',
      'api/coronet/sim/interfaces/Faults.html',
      'source/examples/echo.ts.html',
    ];

function isWritten(name: string): boolean {
  return name.endsWith('.html') && !/^(?:api|source|404)\b/.test(name);
}

describe.skipIf(isSkipped)('the site in Chromium', () => {
  let server: Server;
  let browser: Chromium;
  let origin = '';

  beforeAll(async () => {
    server = createServer((request, response) => {
      const path = decodeURI(new URL(request.url as string, 'http://site').pathname);
      const file = join(DIST, path.endsWith('/') ? `${path}index.html` : path);
      const isFound = existsSync(file);
      const type = TYPES[extname(file)] ?? 'text/plain; charset=utf-8';
      response.writeHead(isFound ? 200 : 404, { 'content-type': type });
      response.end(isFound ? readFileSync(file) : '');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await Chromium.start();
  });

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  test('no page is wider than the window of a phone, a tablet or a desktop', async () => {
    const wide: string[] = [];
    for (const page of pages) {
      await visit(page);
      for (const width of [390, 768, 1280]) {
        await browser.show(width, 900);
        const widest = await browser.evaluate<number>('document.documentElement.scrollWidth');
        if (widest > width) wide.push(`${page}: ${widest} at ${width}`);
      }
    }
    expect(wide).toEqual([]);
  }, 180_000);

  test('the search finds a word of a page, and characters of a Chinese one', async () => {
    await browser.show(1280, 900);
    await visit('index.html');
    await browser.evaluate('document.querySelector(".VPNavBarSearch button").click()');
    await isFound('backpressure', '/net.html');
    await isFound('任务', '/lesson/zh.html');
  });

  test('the switch makes the page dark', async () => {
    await browser.show(1280, 900, 'light');
    await visit('server.html');
    const background = 'getComputedStyle(document.body).backgroundColor';
    expect(await browser.evaluate(background)).toBe('rgb(255, 255, 255)');
    await browser.evaluate('document.querySelector(".VPSwitchAppearance").click()');
    await until('document.documentElement.classList.contains("dark")');
    expect(await browser.evaluate(background)).not.toBe('rgb(255, 255, 255)');
  });

  test('a page of the lesson states its language, also after a click', async () => {
    const language = 'document.documentElement.lang';
    for (const name of ['de', 'ru', 'zh']) {
      await visit(`lesson/${name}.html`);
      expect(await browser.evaluate(language)).toBe(name);
    }
    await browser.evaluate('document.querySelector("a[href$=\'lesson/de.html\']").click()');
    await until(`${language} === 'de'`);
  });

  test('no page has requested anything from another server, or failed in a script', () => {
    const foreign = browser.requests.filter((url) => !url.startsWith(origin));
    expect(browser.requests.length).toBeGreaterThan(pages.length);
    expect(foreign.filter((url) => !/^(?:data|blob):/.test(url))).toEqual([]);
    expect(browser.errors).toEqual([]);
  });

  /** Opens a page, and waits until its scripts run. */
  async function visit(page: string): Promise<void> {
    await browser.open(`${origin}/${page}`);
    await until('document.querySelector("#app").__vue_app__');
  }

  /** Waits until the search for `word` lists a page. */
  async function isFound(word: string, page: string): Promise<void> {
    await until('document.querySelector(".search-input")');
    await browser.evaluate(`{
      const input = document.querySelector('.search-input');
      input.value = '${word}';
      input.dispatchEvent(new Event('input'));
    }`);
    const links = '[...document.querySelectorAll(".VPLocalSearchBox a.result")]';
    await until(`${links}.some(({ pathname }) => pathname === '${page}')`);
  }

  /** Waits until an expression is true in the page. */
  async function until(condition: string): Promise<void> {
    await browser.evaluate(`new Promise((resolve) => {
      const check = () => (${condition} ? resolve() : requestAnimationFrame(check));
      check();
    })`);
  }
});
