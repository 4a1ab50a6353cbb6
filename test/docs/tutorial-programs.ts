/** The pages and the programs of the tutorial, and the terminals in which a reader runs them. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { transformSync } from 'esbuild';
import { expect } from 'vitest';
import type { Client } from '../support/process/coronet-command.ts';
import { client, isServed } from '../support/process/coronet-command.ts';
import { freePort } from '../support/process/free-port.ts';
import { Process } from '../support/process/process.ts';
import { ROOT } from './examples-build.ts';

const EXAMPLES = join(ROOT, 'examples/tutorial');

/** The names of the steps: folders of examples/tutorial and pages of docs/tutorial. */
export const steps: readonly string[] = readdirSync(EXAMPLES).sort();

/** The files of a step and their contents. */
export function filesOf(step: string): Map<string, string> {
  const folder = join(EXAMPLES, step);
  const names = readdirSync(folder).sort();
  return new Map(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

export class Page {
  readonly text: string;
  readonly #blocks: readonly { readonly language: string; readonly code: string }[];

  constructor(step: string) {
    this.text = readFileSync(join(ROOT, `docs/tutorial/${step}.md`), 'utf8');
    this.#blocks = [...this.text.matchAll(/^```(\w+).*\n([\s\S]*?)^```$/gm)].map(
      ([, language = '', code = '']) => ({ language, code }),
    );
  }

  /** The changes that the page asks for, in the form of `diff`. */
  get changes(): string[] {
    return this.#blocks.filter(({ language }) => language === 'diff').map(({ code }) => code);
  }

  /** Expects a block with this output. Addresses, paths and process ids may differ. */
  shows(output: string): void {
    const blocks = this.#blocks.filter(({ language }) => language === 'console');
    expect(blocks.map(({ code }) => masked(code))).toContain(masked(output));
  }

  /** The block that contains `text`. */
  block(text: string): string {
    const block = this.#blocks.find(({ code }) => code.includes(text));
    expect(block, `a block with ${text}`).toBeDefined();
    return block?.code ?? '';
  }
}

/** Replaces the parts of an output that differ from run to run. */
function masked(output: string): string {
  return output
    .replace(/\(file:\/\/\S*\/(\w+)\.[jt]s:\d+:\d+\)/g, '(FILE $1)')
    .replace(/127\.0\.0\.1:(?!25000|25080|4222)\d+/g, 'ADDRESS')
    .replace(/\b(process|pid|worker|task|period of) \d+/g, '$1 N')
    .replace(/\d+ bytes are buffered/g, 'N bytes are buffered');
}

export interface Edits {
  /** Changes of the page, in the form of `diff`. */
  readonly changes?: readonly string[];
  /** Texts to replace, such as long time limits. */
  readonly replace?: Readonly<Record<string, string>>;
  /** Ports in addition to those of the servers. */
  readonly ports?: Readonly<Record<string, string>>;
}

/** The programs of a step, compiled, with ports of their own. */
export class Step {
  readonly #folder: string;
  readonly #ports: readonly (readonly [port: string, actual: string])[];

  private constructor(folder: string, ports: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.#ports = Object.entries(ports);
  }

  /** Compiles a step. */
  static async build(name: string, edits: Edits = {}): Promise<Step> {
    const { changes = [], replace = {}, ports = {} } = edits;
    const files = filesOf(name);
    for (const change of changes) applyChange(files, change);
    mkdirSync(join(ROOT, 'build'), { recursive: true });
    const folder = mkdtempSync(join(ROOT, 'build/tutorial-'));
    const [lines, websocket] = [`${await freePort()}`, `${await freePort()}`];
    const step = new Step(folder, { 25000: lines, 25080: websocket, ...ports });
    for (const [file, text] of files) {
      const replaced = Object.entries(replace).reduce((all, [a, b]) => all.replaceAll(a, b), text);
      step.#compile(file, replaced);
    }
    return step;
  }

  port(documented: number): number {
    return Number(this.#ports.find(([port]) => Number(port) === documented)?.[1]);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }

  path(file: string): string {
    return join(this.#folder, file.replace('.ts', '.js'));
  }

  run(file: string, env: Readonly<Record<string, string>> = {}): Process {
    return new Process(process.execPath, [this.path(file)], { env: { CORONET_DEBUG: '', ...env } });
  }

  /** Starts a server and waits until it listens. */
  async serve(file: string, backend: string): Promise<Process> {
    const server = this.run(file, { CORONET_BACKEND: backend });
    while (!(await isServed(this.port(25000)))) {
      if (server.ended) throw new Error(`${file} has ended: ${server.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return server;
  }

  /** A terminal in which a command has printed `output`, with the ports of the page. */
  printed(command: string, output: string): string {
    const text = `$ ${command}\n${output}`;
    return this.#ports.reduce((all, [port, actual]) => all.replaceAll(actual, port), text);
  }

  /** `nc localhost 25000` in a terminal. */
  nc(): Terminal {
    const nc: Client = client('nc', (port) => ['127.0.0.1', `${port}`]);
    return new Terminal('nc localhost 25000', nc.start(this.port(25000)));
  }

  /** `node FILE` in a terminal. */
  terminal(file: string): Terminal {
    return new Terminal(`node ${file}`, this.run(file));
  }

  /** As `tsc` with `rewriteRelativeImportExtensions`, and also in URLs. */
  #compile(file: string, text: string): void {
    const moved = this.#ports.reduce((all, [port, actual]) => all.replaceAll(port, actual), text);
    const { code } = transformSync(moved, { loader: 'ts', format: 'esm', target: 'es2022' });
    writeFileSync(this.path(file), code.replace(/(["']\.\/\w+)\.ts(["'])/g, '$1.js$2'));
  }
}

/** Applies a change to the only file that has its old lines. */
function applyChange(files: Map<string, string>, change: string): void {
  const lines = change.trimEnd().split('\n');
  const textOf = (omitted: string): string =>
    lines.flatMap((line) => (line.startsWith(omitted) ? [] : [`${line.slice(1)}\n`])).join('');
  const found = [...files].filter(([, text]) => text.split(textOf('+')).length === 2);
  expect(found.length, `one file with the old lines of\n${change}`).toBe(1);
  for (const [name, text] of found)
    files.set(
      name,
      text.replace(textOf('+'), () => textOf('-')),
    );
}

/** A client in a terminal. Its transcript contains what was typed and what was printed. */
export class Terminal {
  readonly process: Process;
  transcript: string;
  #seen = 0;

  constructor(command: string, started: Process) {
    this.process = started;
    this.transcript = `$ ${command}\n`;
  }

  type(line: string): void {
    this.process.child.stdin?.write(`${line}\n`);
    this.transcript += `${line}\n`;
  }

  /** Expects `line` as the next line of the output. */
  async sees(line: string): Promise<void> {
    await this.process.until(`${line} is printed`, () => this.process.lines.length > this.#seen);
    expect(this.process.lines[this.#seen++]).toBe(line);
    this.transcript += `${line}\n`;
  }
}
