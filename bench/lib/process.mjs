// A child process with a line protocol: a command on stdin, a response in JSON on stdout.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const STOP_MS = 2000;
const live = new Set();

// The end of the benchmark, by any cause, ends its child processes.
process.on('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
]) {
  process.once(signal, () => process.exit(code));
}

export class LineProcess {
  #child;
  #lines = [];
  #waiting = []; // requests without a response, in order
  #stderr = '';
  #ended; // resolves when the process has ended
  #hasEnded = false;

  /** `name` appears in error messages. The second argument is [program, ...arguments]. */
  constructor(name, [program, ...args]) {
    this.name = name;
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    live.add(this.#child);
    this.#child.stdin.on('error', () => undefined); // EPIPE: 'close' reports the end
    this.#child.stderr.on('data', (text) => {
      this.#stderr = (this.#stderr + text).slice(0, 4000);
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#take(line));
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => this.#end(resolve, error.message));
      this.#child.once('close', (code, signal) => this.#end(resolve, `exited: ${signal ?? code}`));
    });
  }

  get pid() {
    return this.#child.pid;
  }

  #take(line) {
    const next = this.#waiting.shift();
    if (next) next.resolve(line);
    else this.#lines.push(line);
  }

  #end(resolve, how) {
    this.#hasEnded = true;
    live.delete(this.#child);
    this.how = how;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure(how));
    resolve();
  }

  #failure(how) {
    const lines = this.#stderr.split('\n').filter((line) => line.trim() !== '');
    const cause = lines.find((line) => /^\w*(Error|load)\b/i.test(line)) ?? lines[0] ?? '';
    return new Error(`${this.name} ${how}${cause ? `: ${cause.trim()}` : ''}`);
  }

  /** The next line of stdout, parsed. */
  async answer(timeoutMs = 10_000) {
    if (this.#lines.length > 0) return JSON.parse(this.#lines.shift());
    if (this.#hasEnded) throw this.#failure(this.how);
    const line = await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(this.#failure('did not respond')), timeoutMs);
      const settle = (then) => (value) => {
        clearTimeout(timer);
        then(value);
      };
      this.#waiting.push({ resolve: settle(resolve), reject: settle(reject) });
    });
    return JSON.parse(line);
  }

  ask(command, timeoutMs) {
    if (!this.#hasEnded) this.#child.stdin.write(`${command}\n`);
    return this.answer(timeoutMs);
  }

  /** Closes stdin, which ends the process, or kills it after two seconds. */
  async stop() {
    if (this.#hasEnded) return;
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    await this.#ended;
    clearTimeout(timer);
  }
}
