/** A server process under test: its statistics, memory, descriptors and exit. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('server.mjs', import.meta.url));

/** Longer than any wait takes in a server that does not hang. */
const LIMIT_MS = 60_000;

/** Waits until `isTrue()` returns true. Throws after `limitMs`. */
export async function until(what, isTrue, limitMs = LIMIT_MS) {
  const end = performance.now() + limitMs;
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error(`Timed out after ${limitMs} ms: ${what}`);
    await delay(20);
  }
}

/** Runs `body` with a server process, which has ended afterwards. `prefix`: see `start`. */
export async function withServer(config, body, prefix = []) {
  const server = await start(config, prefix);
  try {
    return await body(server);
  } catch (error) {
    error.message += `\nStandard error of the server: ${server.stderr.slice(-2000)}`;
    throw error;
  } finally {
    await server.end();
  }
}

/** Starts the program with `config`. `prefix`: a command line that runs the program. */
async function start(config, prefix) {
  const node = [process.execPath, '--expose-gc', program];
  const [command, ...args] = [...prefix, ...node];
  const env = { ...process.env, CORONET_FAULTS: JSON.stringify(config) };
  const server = new ServerProcess(spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] }));
  try {
    await server.until('the server listens', () => server.port > 0);
  } catch (error) {
    await server.end();
    throw error;
  }
  return server;
}

class ServerProcess {
  port = 0;
  /** The process of the server. With a prefix, the child is another process. */
  pid = 0;
  /** The lines of JSON that the server has printed. */
  messages = [];
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
      this.stderr = `${this.stderr}${text}`.slice(-20_000);
    });
    child.stdin.on('error', () => {});
    createInterface(child.stdout).on('line', (line) => this.#onMessage(JSON.parse(line)));
  }

  #onEnd(end, resolve) {
    this.ended ??= end;
    resolve(this.ended);
  }

  #onMessage(message) {
    if (message.port !== undefined && this.port === 0) {
      this.port = message.port;
      this.pid = message.pid;
    }
    this.messages.push(message);
  }

  async until(what, isTrue) {
    await until(what, () => {
      if (this.ended === undefined) return isTrue();
      if (isTrue()) return true;
      const end = JSON.stringify(this.ended);
      throw new Error(`The server ended (${end}) before: ${what}\n${this.stderr}`);
    });
  }

  /** { stats, held, rss, descriptors } after a garbage collection; sizes in bytes. */
  async measure() {
    const count = this.messages.length;
    this.#child.stdin.write('measure\n');
    const reply = () => this.messages.slice(count).find(({ stats }) => stats !== undefined);
    await this.until('the server reports its statistics', () => reply() !== undefined);
    return { ...reply(), rss: this.rss(), descriptors: this.descriptors() };
  }

  async stats() {
    return (await this.measure()).stats;
  }

  descriptors() {
    return readdirSync(`/proc/${this.pid}/fd`).length;
  }

  /** Resident memory in bytes (proc(5): VmRSS is in kB). */
  rss() {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
  }

  /** CPU time so far, in milliseconds (proc(5): ticks of 10 ms). */
  cpuMs() {
    const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  }

  /** Waits until exactly `open` connections are open. */
  async untilOpen(open) {
    await this.until(`${open} connections are open`, async () => {
      return (await this.stats()).open === open;
    });
  }

  /** Sends `signal` and resolves to { code, signal } of the exit. */
  async stop(signal = 'SIGTERM') {
    if (this.ended === undefined) process.kill(this.pid, signal);
    await until('the server has ended', () => this.ended !== undefined);
    return await this.#exit;
  }

  /** Ends the process, if necessary with SIGKILL. */
  async end() {
    if (this.ended !== undefined) return;
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 2000);
    await this.#exit;
    clearTimeout(timer);
  }
}

/**
 * Throws if memory has grown by more than `heldMb` (reachable memory) or `rssMb` (resident memory),
 * or, unless `descriptors` is false, if the number of descriptors has changed.
 */
export function expectNoGrowth(before, after, { heldMb = 4, rssMb = 64, descriptors = true } = {}) {
  const growth = (key) => (after[key] - before[key]) / 2 ** 20;
  if (growth('held') > heldMb || growth('rss') > rssMb) {
    const [held, rss] = [growth('held').toFixed(1), growth('rss').toFixed(1)];
    throw new Error(`Memory has grown: held by ${held} MiB, rss by ${rss} MiB`);
  }
  if (!descriptors || after.descriptors === before.descriptors) return;
  throw new Error(`Descriptors: ${before.descriptors} before, ${after.descriptors} after`);
}
