/** Supervisor processes, and the clients of their workers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll } from 'vitest';
import { PlainClient } from './coronet-command.ts';
import type { Process } from './process.ts';

/** An event that a program has printed as a line of JSON. */
export type ProgramEvent = Readonly<Record<string, unknown>>;

/** The events on the standard output of `process`. */
export function eventsOf(process: Process): ProgramEvent[] {
  return process.lines.map((line) => JSON.parse(line) as ProgramEvent);
}

/** Waits until the process has printed `times` events of a kind. Returns the last of them. */
export async function untilEvent(process: Process, kind: string, times = 1): Promise<ProgramEvent> {
  const found = (): ProgramEvent[] =>
    eventsOf(process).filter((event) => event['kind'] === kind || event['event'] === kind);
  await process.until(`it prints '${kind}'`, () => found().length >= times);
  return found().at(-1) as ProgramEvent;
}

/**
 * Whether a process exists. An ended process exists until its parent has collected its exit status.
 */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Waits until none of the processes exists. The time limit of the test applies. */
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

/** Sends requests while `goesOn()` returns true. Returns the number of each reply. */
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

/**
 * A client in the middle of an exchange: the server has received its line and waits for another
 * one.
 */
export async function busyClient(port: number): Promise<PlainClient> {
  const client = new PlainClient(port);
  client.socket.write('who\n');
  if (!(await client.until(() => client.received.endsWith('\n')))) throw new Error('not served');
  client.received = '';
  client.socket.write('busy\n');
  return client;
}

/** Creates a folder for the test file. It is removed at the end. */
export function ownFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'coronet-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a file into `folder` and returns its path. */
export function write(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}
