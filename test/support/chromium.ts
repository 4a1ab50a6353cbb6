/** Chromium without a window, driven over a pipe with the DevTools protocol. */
import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const ARGUMENTS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-sync', '--disable-component-update'],
  ...['--hide-scrollbars', '--remote-debugging-pipe'],
];

/** True if Chromium is not installed: tests that need it are skipped. */
export const withoutChromium: boolean = spawnSync('chromium', ['--version']).status !== 0;

interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

type Answer = (message: Message) => void;

/** A browser with one page. It is ended by `close`. */
export class Chromium {
  /** The addresses that the page has requested. */
  readonly requests: string[] = [];
  /** Exceptions of scripts, and errors in the console. */
  readonly errors: string[] = [];
  readonly #profile: string = mkdtempSync(join(tmpdir(), 'coronet-chromium-'));
  readonly #process: ChildProcess;
  readonly #answers = new Map<number, Answer>();
  readonly #waiting = new Map<string, () => void>();
  #session: string | undefined;
  #lastId = 0;
  #rest = '';

  /** Starts a browser with an empty page. */
  static async start(): Promise<Chromium> {
    const browser = new Chromium();
    const { targetId } = await browser.#send<{ targetId: string }>('Target.createTarget', {
      url: 'about:blank',
    });
    const { sessionId } = await browser.#send<{ sessionId: string }>('Target.attachToTarget', {
      targetId,
      flatten: true,
    });
    browser.#session = sessionId;
    for (const domain of ['Page', 'Network', 'Runtime', 'Log']) {
      await browser.#send(`${domain}.enable`);
    }
    return browser;
  }

  private constructor() {
    this.#process = spawn('chromium', [...ARGUMENTS, `--user-data-dir=${this.#profile}`], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    const output = this.#process.stdio[4] as Readable;
    output.setEncoding('utf8').on('data', (text: string) => this.#receive(text));
  }

  /** Loads a page and waits until it is complete. */
  async open(url: string): Promise<void> {
    const loaded = this.#event('Page.loadEventFired');
    await this.#send('Page.navigate', { url });
    await loaded;
  }

  /** The size of the window, in CSS pixels, with the colours that the system prefers. */
  async show(width: number, height: number, scheme: 'light' | 'dark' = 'light'): Promise<void> {
    const size = { width, height, deviceScaleFactor: 1, mobile: width < 600 };
    await this.#send('Emulation.setDeviceMetricsOverride', size);
    const features = [{ name: 'prefers-color-scheme', value: scheme }];
    await this.#send('Emulation.setEmulatedMedia', { features });
  }

  /** The value of an expression in the page; a promise is awaited. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.#send<{
      result: { value: T };
      exceptionDetails?: { exception: { description: string } };
    }>('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception.description);
    return result.value;
  }

  /** Waits until the expression is true, which is checked before each frame. */
  async until(expression: string): Promise<void> {
    await this.evaluate(`new Promise((resolve) => {
      const check = () => ((${expression}) ? resolve(true) : requestAnimationFrame(check));
      check();
    })`);
  }

  /** Presses and releases a key: 'ArrowLeft', 'Enter'. */
  async press(key: string): Promise<void> {
    for (const type of ['rawKeyDown', 'keyUp']) {
      await this.#send('Input.dispatchKeyEvent', { type, key, code: key });
    }
  }

  async screenshot(): Promise<Buffer> {
    const { data } = await this.#send<{ data: string }>('Page.captureScreenshot');
    return Buffer.from(data, 'base64');
  }

  async close(): Promise<void> {
    const exit = once(this.#process, 'exit');
    // It ends the other processes of the browser first, which write to the profile.
    this.#session = undefined;
    void this.#send('Browser.close');
    await exit;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #send<T>(method: string, params: Record<string, unknown> = {}): Promise<T> {
    const id = ++this.#lastId;
    const sessionId = this.#session;
    const input = this.#process.stdio[3] as Writable;
    input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => {
      this.#answers.set(id, ({ result, error }) => {
        if (error === undefined) resolve(result as T);
        else reject(new Error(`${method}: ${error.message}`));
      });
    });
  }

  #event(method: string): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(method, resolve));
  }

  #receive(text: string): void {
    const messages = (this.#rest + text).split('\0');
    this.#rest = messages.pop() as string;
    for (const message of messages) this.#dispatch(JSON.parse(message) as Message);
  }

  #dispatch(message: Message): void {
    const { id, method = '' } = message;
    if (id !== undefined) {
      this.#answers.get(id)?.(message);
      this.#answers.delete(id);
      return;
    }
    const params = message.params as never;
    if (method === 'Network.requestWillBeSent') this.requests.push(requestOf(params));
    if (method === 'Runtime.exceptionThrown') this.errors.push(exceptionOf(params));
    if (method === 'Log.entryAdded') this.errors.push(...entriesOf(params));
    this.#waiting.get(method)?.();
    this.#waiting.delete(method);
  }
}

function requestOf({ request }: { request: { url: string } }): string {
  return request.url;
}

function exceptionOf(params: {
  exceptionDetails: { text: string; exception?: { description?: string } };
}): string {
  const { text, exception } = params.exceptionDetails;
  return exception?.description ?? text;
}

function entriesOf({ entry }: { entry: { level: string; text: string; url?: string } }): string[] {
  return entry.level === 'error' ? [`${entry.text} ${entry.url ?? ''}`] : [];
}
