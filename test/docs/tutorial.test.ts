/**
 * The tutorial: the program of each step does what its page shows, and fails as the page shows when
 * the change of the page is made.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import { NatsServer, withoutNatsServer } from '../support/nats/server.ts';
import { coronet, PlainClient } from '../support/process/coronet-command.ts';
import type { Process } from '../support/process/process.ts';
import { endProcesses } from '../support/process/process.ts';
import { exampleBackends, installed } from './example-programs.ts';
import type { Terminal } from './tutorial-programs.ts';
import { filesOf, Page, Step, steps } from './tutorial-programs.ts';

/** In a simulation the ports of the page are free. */
const DOCUMENTED_PORTS = { 25000: '25000', 25080: '25080' };

const built: Step[] = [];

async function build(...args: Parameters<typeof Step.build>): Promise<Step> {
  const step = await Step.build(...args);
  built.push(step);
  return step;
}

describe('a page of the tutorial', () => {
  test.each(steps)('shows each file of its step that differs from the former step: %s', (step) => {
    const former = steps[steps.indexOf(step) - 1];
    const formerFiles = former === undefined ? new Map<string, string>() : filesOf(former);
    const { text } = new Page(step);
    for (const [name, content] of filesOf(step)) {
      const isShown = text.includes(`\n\`\`\`ts file=examples/tutorial/${step}/${name}\n`);
      const isMentioned = text.includes(`\`${name}\``) && formerFiles.get(name) === content;
      expect(isShown || isMentioned, name).toBe(true);
    }
  });

  test('ends with something to break and the name of the next page', () => {
    for (const [index, step] of steps.entries()) {
      const { text } = new Page(step);
      expect(text).toContain('\n## Something to break\n');
      const next = steps[index + 1];
      if (next !== undefined) expect(text.trimEnd().split('\n').at(-1)).toContain(`(${next}.md)`);
    }
  });
});

describe.each(exampleBackends)('the tutorial on %s, step', (backend) => {
  endProcesses();
  afterEach(() => {
    for (const step of built.splice(0)) step.remove();
  });

  test('1 sends back what it receives, and reports a forgotten `yield*`', async () => {
    const page = new Page('1-echo');
    const step = await build('1-echo');
    await step.serve('server.ts', backend);
    const nc = step.nc();
    nc.type('Hello');
    await nc.sees('GOT:Hello');
    page.shows(nc.transcript);
    for (const change of page.changes) {
      const broken = await build('1-echo', { changes: [change] });
      const server = await broken.serve('server.ts', backend);
      server.stderr = ''; // An async handler has failed for the connection of `serve`, too.
      const client = new PlainClient(broken.port(25000));
      client.socket.end('Hello\n');
      page.shows(broken.printed('node server.ts', await failure(server)));
    }
  });

  test('2 answers lines, also in two parts, and reports one that is too long', async () => {
    const page = new Page('2-lines');
    const step = await build('2-lines');
    const server = await step.serve('server.ts', backend);
    const [anna, other] = [step.nc(), step.nc()];
    anna.type('kitchen anna');
    anna.type('Hello');
    await anna.sees('anna: Hello');
    page.shows(anna.transcript);
    other.type('hello?');
    await other.sees('Expected: ROOM NAME');
    page.shows(other.transcript);
    const client = new PlainClient(step.port(25000));
    client.socket.write('kitchen an');
    await client.connected();
    client.socket.write(`na\nHello\n${'x'.repeat(5000)}`);
    page.shows(step.printed('node server.ts', await failure(server)));
    expect(client.received).toBe('anna: Hello\n');
  });

  test('3 sends a line to the members of the room, and needs its lock', async () => {
    const page = new Page('3-rooms');
    const step = await build('3-rooms');
    await step.serve('server.ts', backend);
    const [anna, ben] = [step.nc(), step.nc()];
    await askForCoffee(anna, ben);
    page.shows(anna.transcript);
    page.shows(ben.transcript);
    const broken = await build('3-rooms', { changes: page.changes });
    const server = await broken.serve('server.ts', backend);
    const carol = join(broken, 'carol').pause();
    const senders = [join(broken, 'anna').resume(), join(broken, 'ben').resume()];
    for (const sender of senders) flood(sender, Infinity);
    page.shows(broken.printed('node server.ts', await failure(server)));
    for (const socket of [carol, ...senders]) socket.destroy();
  });

  test('5 ends silent clients, drains, and lists the tasks that it has cut', async () => {
    const name = '5-time-limits-and-drain';
    const page = new Page(name);
    const hasty = await build(name, { replace: { 'moveOnAfter(10_000': 'moveOnAfter(20' } });
    await hasty.serve('server.ts', backend);
    const silent = hasty.nc();
    await silent.sees('Expected: ROOM NAME');
    page.shows(silent.transcript);
    const step = await build(name);
    const server = await step.serve('server.ts', backend);
    const anna = step.nc();
    await enter(anna, 'anna');
    anna.type('Hello');
    await anna.sees('anna: Hello');
    await server.until('the first connection has ended', () => server.lines.length === 2);
    server.child.kill('SIGINT');
    await anna.sees('* the server stops');
    anna.process.child.stdin?.end();
    expect(await server.exit).toEqual({ code: 0, signal: null });
    page.shows(anna.transcript);
    page.shows(step.printed('node server.ts', server.stdout));
    const edits = { changes: page.changes, replace: { 'graceMs: 10_000': 'graceMs: 200' } };
    const broken = await build(name, edits);
    const stuck = await broken.serve('server.ts', backend);
    await enter(broken.nc(), 'anna');
    stuck.child.kill('SIGINT');
    expect(await stuck.exit).toEqual({ code: 1, signal: null });
    page.shows(broken.printed('node server.ts', stuck.stderr));
  });

  test('6 serves WebSocket and line clients, and does not let one forge a line', async () => {
    const page = new Page('6-websocket');
    const step = await build('6-websocket');
    const gateway = await step.serve('gateway.ts', backend);
    const [anna, ben] = [step.nc(), step.terminal('terminal.ts')];
    await enter(anna, 'anna');
    await enter(ben, 'ben');
    await anna.sees('* ben joins');
    ben.type('Hello');
    for (const client of [anna, ben]) await client.sees('ben: Hello');
    anna.type('Hello, Ben');
    for (const client of [anna, ben]) await client.sees('anna: Hello, Ben');
    if (installed('curl')) {
      const command = /^\$ (curl -i .*)$/m.exec(page.text)?.[1] ?? '';
      const url = `127.0.0.1:${step.port(25080)}`;
      const { stdout } = spawnSync('sh', ['-c', command.replace('localhost:25080', url)]);
      page.shows(step.printed(command, `${stdout}`.replaceAll('\r', '')));
    }
    gateway.child.kill('SIGINT');
    await anna.sees('* the server stops');
    await ben.sees('closed: 1001 going away');
    anna.process.child.stdin?.end();
    for (const { transcript } of [anna, ben]) page.shows(transcript);
    expect(await gateway.exit).toEqual({ code: 0, signal: null });
    for (const changes of [[], page.changes]) {
      const forged = await build('6-websocket', { changes });
      await forged.serve('gateway.ts', backend);
      const reader = forged.nc();
      await enter(reader, 'anna');
      forged.run('forge.ts');
      await reader.sees('* eve joins');
      const lines = ['eve: Good evening.', 'ben: I pay for all of you.'];
      for (const line of changes.length === 0 ? [lines.join(' ')] : lines) await reader.sees(line);
      if (changes.length === 0) expect(page.text).toContain(`\`${lines.join(' ')}\``);
      else page.shows(reader.transcript);
    }
  });
});

describe('the tutorial, step', () => {
  const [backend] = exampleBackends as [string];
  endProcesses();
  afterEach(() => {
    for (const step of built.splice(0)) step.remove();
  });

  test('4 drops messages of a client that does not read, or ends it', async () => {
    const page = new Page('4-slow-clients');
    const step = await build('4-slow-clients');
    await step.serve('server.ts', backend);
    const carol = join(step, 'carol');
    await receivesUntil(carol, '* carol joins\n');
    carol.pause();
    const anna = join(step, 'anna');
    flood(anna, 30_000);
    await receivesUntil(anna, 'anna: the end\n');
    const received = await receivesUntil(carol, 'anna: the end\n');
    expect(received).toMatch(/^\* \d+ messages are missing$/m);
    expect(page.text).toMatch(/ \* \d+ messages are missing$/m);
    const broken = await build('4-slow-clients', { changes: page.changes });
    const server = await broken.serve('server.ts', backend);
    const slow = join(broken, 'carol').pause();
    const sender = join(broken, 'anna').resume();
    flood(sender, Infinity);
    let bytes = 0;
    sender.on('data', (data) => {
      bytes += data.length;
      if (bytes > 20_000_000) slow.resume();
    });
    page.shows(broken.printed('node server.ts', await failure(server)));
    for (const socket of [carol, anna, slow, sender]) socket.destroy();
  });

  test('4 drops no message of a client that reads while four clients flood its room', async () => {
    const step = await build('4-slow-clients');
    await step.serve('server.ts', backend);
    const ben = join(step, 'ben');
    await receivesUntil(ben, '* ben joins\n');
    const senders = ['anna', 'carol', 'dora', 'emil'].map((name) => join(step, name).resume());
    for (const sender of senders) sender.write('hello\n'.repeat(5000));
    let received = '';
    while (received.split(': hello\n').length <= 4 * 5000) {
      const chunk: Buffer | null = ben.read();
      if (chunk === null) await once(ben, 'readable');
      else received += chunk;
      expect(received).not.toContain('are missing');
    }
    for (const socket of [ben, ...senders]) socket.destroy();
  });

  test('7 shows a newcomer the history, also in the wrong version', async () => {
    const page = new Page('7-race');
    for (const changes of [[], page.changes.slice(0, 1)]) {
      const step = await build('7-race', { changes });
      await step.serve('gateway.ts', backend);
      const anna = step.nc();
      await enter(anna, 'anna');
      anna.type('Is there coffee?');
      await anna.sees('anna: Is there coffee?');
      page.shows(anna.transcript);
      const ben = step.nc();
      ben.type('kitchen ben');
      for (const line of ['* anna joins', 'anna: Is there coffee?', '* ben joins']) {
        await ben.sees(line);
      }
      page.shows(ben.transcript);
    }
  });

  test.skipIf(withoutNatsServer !== undefined)(
    `8 shares rooms between workers, and reports gaps ${withoutNatsServer ?? ''}`,
    async () => {
      const page = new Page('8-workers-and-nats');
      const nats = await NatsServer.start();
      const step = await build('8-workers-and-nats', { ports: { 4222: `${nats.port}` } });
      const supervisor = step.run('workers.ts', { CORONET_BACKEND: backend });
      await supervisor.until('the workers are ready', () => supervisor.lines.length === 1);
      page.shows(step.printed('node workers.ts', supervisor.stdout));
      const [anna, ben, other] = [step.nc(), step.terminal('terminal.ts'), step.nc()];
      await askForCoffee(anna, ben, true);
      for (const { transcript } of [anna, ben]) page.shows(transcript);
      await enter(other, 'anna', 'garden');
      await nats.kill();
      await nats.restart();
      await other.sees('* messages may be missing (reconnected)');
      page.shows(other.transcript.replace('garden', 'kitchen'));
      const [worker] = workersOf(supervisor.child.pid as number);
      process.kill(worker as number, 'SIGKILL');
      await supervisor.until('the end of a worker is reported', () =>
        supervisor.stderr.includes('\n'),
      );
      page.shows(step.printed('node workers.ts', supervisor.stdout + supervisor.stderr));
      supervisor.child.kill('SIGTERM');
      expect(await supervisor.exit).toEqual({ code: 0, signal: null });
      await nats.kill();
      const alone = step.run('gateway.ts', { CORONET_BACKEND: backend });
      expect(await alone.exit).toEqual({ code: 1, signal: null });
      page.shows(step.printed('node gateway.ts', `${alone.stderr.split('\n')[0]}\n`));
    },
  );

  test.each([
    ['7', '7-race'],
    ['8', '8-workers-and-nats'],
  ])('%s succeeds in 100 simulated runs', async (_, name) => {
    const step = await build(name, { ports: DOCUMENTED_PORTS });
    const sim = coronet('sim', step.path('join.ts'), '--runs', '100');
    expect(await sim.exit).toEqual({ code: 0, signal: null });
    expect(sim.stdout).toContain('seeds 1 to 100: all succeeded');
  });

  test.each([1, 2])(
    '7 fails in the simulator with the seed of the page, after its change %d',
    async (number) => {
      const page = new Page('7-race');
      const changes = page.changes.slice(number - 1, number);
      const step = await build('7-race', { changes, ports: DOCUMENTED_PORTS });
      const shown = linesOf(page.block(`1,2,3,4,5,6,${number === 1 ? '7' : ' and'}`));
      const found = await simulate(step, '--runs', '1000', '--no-shrink');
      expect(found[0]).toBe(shown[1]);
      if (number === 1) expect(found).toContain(shown.at(-2));
    },
  );
});

function linesOf(text: string): string[] {
  return text.trimEnd().split('\n');
}

/** Runs the scenario of step 7, which fails, and returns the lines of the report. */
async function simulate(step: Step, ...args: string[]): Promise<string[]> {
  const sim = coronet('sim', step.path('join.ts'), ...args);
  expect(await sim.exit).toEqual({ code: 1, signal: null });
  return linesOf(sim.stderr.replace(/(?<=coronet sim )\S+/g, 'join.ts'));
}

/** Waits until a server reports that a handler has failed, and returns the line. */
async function failure(server: Process): Promise<string> {
  await server.until('a failure is reported', () => server.stderr.includes('\n'));
  return `${server.stderr.split('\n')[0]}\n`;
}

/** A client enters a room, and waits until it is a member. */
async function enter(terminal: Terminal, name: string, room = 'kitchen'): Promise<void> {
  terminal.type(`${room} ${name}`);
  await terminal.sees(`* ${name} joins`);
}

async function askForCoffee(anna: Terminal, ben: Terminal, history = false): Promise<void> {
  await enter(anna, 'anna');
  ben.type('kitchen ben');
  if (history) await ben.sees('* anna joins');
  for (const client of [anna, ben]) await client.sees('* ben joins');
  anna.type('Is there coffee?');
  for (const client of [anna, ben]) await client.sees('anna: Is there coffee?');
  ben.type('Not yet.');
  for (const client of [anna, ben]) await client.sees('ben: Not yet.');
}

/** A connection that has entered the kitchen. */
function join(step: Step, name: string): Socket {
  const socket = connect(step.port(25000), '127.0.0.1');
  socket.on('error', () => {}); // The server may reset it.
  socket.write(`kitchen ${name}\n`);
  return socket;
}

/** Receives until the received text ends with `end`, and returns it. */
async function receivesUntil(socket: Socket, end: string): Promise<string> {
  const chunks: string[] = [];
  for (let tail = ''; !tail.endsWith(end); ) {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) await once(socket, 'readable');
    else {
      chunks.push(String(chunk));
      tail = (tail + String(chunk)).slice(-end.length);
    }
  }
  return chunks.join('');
}

/** Sends `count` lines of 700 bytes, and a last one, as fast as the server receives them. */
function flood(socket: Socket, count: number): void {
  const line = `${Array.from({ length: 200 }, (_, index) => index + 1).join(' ')}\n`;
  function* lines(): Generator<string> {
    for (let sent = 0; sent < count; sent += 20) yield line.repeat(20);
    yield 'the end\n';
  }
  Readable.from(lines()).pipe(socket, { end: false });
}

/** The process ids of the children of a process. */
function workersOf(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['--ppid', `${pid}`, '-o', 'pid=']);
  return String(stdout).trim().split(/\s+/).map(Number);
}
