/** A server process, seen from outside: its figures, its memory, its descriptors, its end. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('server.mjs', import.meta.url));

/** Nothing here takes so long unless it hangs. */
const PATIENCE_MS = 60_000;

/** Waits until `isTrue()`, and fails with `what` if that never happens. */
export async function until(what, isTrue, withinMs = PATIENCE_MS) {
  const end = performance.now() + withinMs;
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error(`Waited ${withinMs} ms, and still not: ${what}`);
    await delay(20);
  }
}

/** Starts the program with `config`; `before` is a command line that it is put behind. */
export async function startTarget(config, before = []) {
  const node = [process.execPath, '--expose-gc', program];
  const [command, ...args] = [...before, ...node];
  const env = { ...process.env, CORONET_FIRE: JSON.stringify(config) };
  const target = new Target(spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] }));
  try {
    await target.until('it listens', () => target.port > 0);
  } catch (error) {
    await target.end();
    throw error;
  }
  return target;
}

export class Target {
  port = 0;
  /** Of the server; where a command stands before it, the child is another process. */
  pid = 0;
  told = [];
  stderr = '';
  /** { code, signal } once the process has ended. */
  ended = undefined;
  #child;
  #exit;

  constructor(child) {
    this.#child = child;
    this.#exit = new Promise((resolve) => {
      child.once('error', (error) => this.#onEnd({ code: error.code, signal: null }, resolve));
      child.once('close', (code, signal) => this.#onEnd({ code, signal }, resolve));
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      // The end of it is enough to say what was wrong.
      this.stderr = `${this.stderr}${text}`.slice(-20_000);
    });
    child.stdin.on('error', () => {});
    createInterface(child.stdout).on('line', (line) => this.#onLine(JSON.parse(line)));
  }

  #onEnd(end, resolve) {
    this.ended ??= end;
    resolve(this.ended);
  }

  #onLine(told) {
    if (told.port !== undefined && this.port === 0) {
      this.port = told.port;
      this.pid = told.pid;
    }
    this.told.push(told);
  }

  async until(what, isTrue) {
    await until(what, () => {
      if (this.ended === undefined) return isTrue();
      if (isTrue()) return true;
      const end = JSON.stringify(this.ended);
      throw new Error(`The server has ended (${end}) before: ${what}\n${this.stderr}`);
    });
  }

  /** What the process says of itself, after a garbage collection. */
  async figures() {
    const count = this.told.length;
    this.#child.stdin.write('figures\n');
    const answer = () => this.told.slice(count).find(({ stats }) => stats !== undefined);
    await this.until('it tells its figures', () => answer() !== undefined);
    return { ...answer(), rss: this.rss(), descriptors: this.descriptors() };
  }

  async stats() {
    return (await this.figures()).stats;
  }

  descriptors() {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Of the process, in bytes (proc(5): VmRSS is in kB). */
  rss() {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
  }

  /** Processor time of the process so far, in milliseconds (proc(5): ticks of 10 ms). */
  cpuMs() {
    const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  /** Waits until nothing but `open` connections is left. */
  async untilOpen(open) {
    await this.until(`${open} connections are open`, async () => {
      return (await this.stats()).open === open;
    });
  }

  /** Asks the process to end, and waits until it has: { code, signal }. */
  async stop(signal = 'SIGTERM') {
    if (this.ended === undefined) process.kill(this.pid, signal);
    return await this.exit();
  }

  async exit() {
    await until('the server has ended', () => this.ended !== undefined);
    return await this.#exit;
  }

  /** Whatever has happened: it is gone afterwards. */
  async end() {
    if (this.ended !== undefined) return;
    this.#child.stdin.end();
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 2000);
    await this.#exit;
    clearTimeout(late);
  }
}

/** Plays `body` with a server that is gone at the end. */
export async function withTarget(config, body, before = []) {
  const target = await startTarget(config, before);
  try {
    return await body(target);
  } catch (error) {
    error.message += `\nThe server: ${target.stderr.slice(-2000) || 'has said nothing'}`;
    throw error;
  } finally {
    await target.end();
  }
}

/**
 * Fails if the server holds more than it did: `heldMb` of what the collector leaves, `rssMb` of the
 * process. Descriptors are to be the same, unless `descriptors` is false.
 */
export function checkFlat(before, after, { heldMb = 4, rssMb = 64, descriptors = true } = {}) {
  const grown = (key) => (after[key] - before[key]) / 2 ** 20;
  const text = `held ${grown('held').toFixed(1)} MiB more, rss ${grown('rss').toFixed(1)} MiB more`;
  if (grown('held') > heldMb || grown('rss') > rssMb) throw new Error(`Memory has grown: ${text}`);
  if (!descriptors || after.descriptors === before.descriptors) return;
  throw new Error(`Descriptors: ${before.descriptors} before, ${after.descriptors} after`);
}
