/** Processes that supervise others, and what clients of theirs see. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll } from 'vitest';
import { PlainClient } from './coronet-command.ts';
import type { Process } from './process.ts';

/** A line that a program has told as JSON. */
export type Told = Readonly<Record<string, unknown>>;

/** The lines of JSON on the standard output of `process`. */
export function toldBy(process: Process): Told[] {
  return process.lines.map((line) => JSON.parse(line) as Told);
}

/** Waits until the process has told `kind` (under `key`) `times` times; gives the last of these. */
export async function heard(process: Process, kind: string, times = 1): Promise<Told> {
  const found = (): Told[] =>
    toldBy(process).filter((told) => told['kind'] === kind || told['event'] === kind);
  await process.until(`it tells '${kind}'`, () => found().length >= times);
  return found().at(-1) as Told;
}

/** Whether a process is there; one that has ended is, until its parent has asked for its end. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Waits until none of them is there. The test's own limit ends it. */
export async function untilGone(pids: readonly number[]): Promise<void> {
  while (pids.some(isAlive)) await delay(10);
}

/** The answer of a server to a line on a connection of its own; an error by its code. */
export function askLine(port: number, line = 'who'): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(`${line}\n`));
    socket.setEncoding('utf8');
    socket.on('data', (text) => {
      answer += text;
      socket.end();
    });
    socket.on('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? 'error'));
    socket.on('close', () => resolve(answer.trimEnd()));
  });
}

/** Asks again and again while `goesOn()`: how often each answer came. */
export async function askWhile(
  port: number,
  goesOn: (answers: ReadonlyMap<string, number>) => boolean,
): Promise<Map<string, number>> {
  const answers = new Map<string, number>();
  while (goesOn(answers)) {
    const answer = await askLine(port);
    answers.set(answer, (answers.get(answer) ?? 0) + 1);
  }
  return answers;
}

/** A client in the middle of an exchange: the server has its line, and waits for another one. */
export async function busyClient(port: number): Promise<PlainClient> {
  const client = new PlainClient(port);
  client.socket.write('who\n');
  if (!(await client.until(() => client.heard.endsWith('\n')))) throw new Error('not served');
  client.heard = '';
  client.socket.write('busy\n');
  return client;
}

/** A folder of the test file's own, removed at its end. */
export function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'coronet-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a file into `folder` and gives its path. */
export function write(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
