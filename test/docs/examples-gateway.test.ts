/** examples/gateway: two gateways, as on two machines, share their rooms through nats-server. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Operation } from '../../src/index.ts';
import { connect, run, sleep, TimeoutError, timeout, until } from '../../src/index.ts';
import { connectWs } from '../../src/ws.ts';
import { NatsServer, withoutNatsServer } from '../support/nats/server.ts';
import { freePort } from '../support/process/free-port.ts';
import { endProcesses, Process } from '../support/process/process.ts';
import { buildExamples } from './examples-build.ts';

const BUILT = buildExamples('examples-gateway');
const LIMIT_MS = 50_000;
const STEP_LIMIT_MS = 20_000;
/** How long a member is present without an announcement. The example waits for 7 s. */
const PRESENCE_MS = 1500;

interface Ports {
  readonly program: Process;
  readonly lines: number;
  readonly websocket: number;
  readonly health: number;
}

async function start(name: string, nats: string): Promise<Ports> {
  const [lines, websocket, health] = [await freePort(), await freePort(), await freePort()];
  const env = {
    LINE_PORT: `${lines}`,
    WS_PORT: `${websocket}`,
    HEALTH: `127.0.0.1:${health}`,
    NATS: nats,
    CORONET_DEBUG: '',
  };
  const program = new Process(process.execPath, [join(BUILT, `gateway/${name}.js`)], { env });
  return { program, lines, websocket, health };
}

function shortenPresence(): void {
  const file = join(BUILT, 'gateway/presence.js');
  const source = readFileSync(file, 'utf8');
  expect(source).toContain('INTERVAL_MS = 2000');
  expect(source).toContain('TIMEOUT_MS = 7000');
  const interval = source.replace('INTERVAL_MS = 2000', 'INTERVAL_MS = 200');
  writeFileSync(file, interval.replace('TIMEOUT_MS = 7000', `TIMEOUT_MS = ${PRESENCE_MS}`));
}

/** Fails with `what` if a step of the test takes too long. */
function* step<T>(what: string, operation: Operation<T>): Operation<T> {
  try {
    return yield* timeout(STEP_LIMIT_MS, () => operation);
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    throw new Error(`Expected within ${STEP_LIMIT_MS} ms: ${what}`, { cause: error });
  }
}

/** The status of /readyz; '' while nothing listens. */
function* readyz(port: number): Operation<string> {
  try {
    using socket = yield* connect(`127.0.0.1:${port}`);
    yield* socket.sendAll('GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n');
    return (yield* socket.reader().readLine())?.split(' ')[1] ?? '';
  } catch {
    return '';
  }
}

function untilStatus(port: number, status: string): Operation<void> {
  const poll = function* (): Operation<void> {
    while ((yield* readyz(port)) !== status) yield* sleep(10);
  };
  return step(`status ${status} at port ${port}`, poll());
}

/** Receives until a line matches, and returns it. */
function lineThat(receive: () => Operation<unknown>, pattern: RegExp): Operation<string> {
  const search = function* (): Operation<string> {
    for (;;) {
      const line = yield* receive();
      if (line === null) throw new Error(`The connection has ended before ${pattern}`);
      if (pattern.test(String(line))) return String(line);
    }
  };
  return step(`a line ${pattern}`, search());
}

const reason = withoutNatsServer === undefined ? '' : ` (skipped: ${withoutNatsServer})`;

describe.skipIf(withoutNatsServer !== undefined)(`examples/gateway${reason}`, () => {
  endProcesses();
  beforeAll(shortenPresence);

  test(
    'a gateway and workers share rooms and presence, report gaps and drain',
    async () => {
      const server = await NatsServer.start();
      const [first, second] = [
        await start('gateway', server.address),
        await start('workers', server.address),
      ];
      try {
        await run(() => chat(server, first, second));
      } catch (error) {
        const output = first.program.stderr + second.program.stderr;
        throw new Error(`${(error as Error).message}\n${output}`, { cause: error });
      }
      for (const { program } of [first, second]) {
        program.child.kill('SIGTERM');
        expect(await program.exit).toEqual({ code: 0, signal: null });
        expect(program.stderr).toBe('');
      }
    },
    LIMIT_MS,
  );

  function* chat(server: NatsServer, first: Ports, second: Ports): Operation<void> {
    yield* untilStatus(first.health, '200');
    yield* untilStatus(second.health, '200');
    using anna = yield* connect(`127.0.0.1:${first.lines}`);
    using ben = yield* connectWs(`ws://127.0.0.1:${second.websocket}/`);
    yield* anna.sendAll('kitchen anna\n');
    yield* ben.send('kitchen ben');
    const toAnna = () => anna.reader().readLine();
    const toBen = () => ben.receive();
    let members = '';
    while (members !== '* anna, ben') {
      yield* sleep(10);
      yield* ben.send('/who');
      members = yield* lineThat(toBen, /^\* /);
    }
    yield* ben.send('Is there coffee?');
    expect(yield* lineThat(toAnna, /coffee/)).toBe('ben: Is there coffee?');
    yield* anna.sendAll('Not yet.\n');
    expect(yield* lineThat(toBen, /yet/)).toBe('anna: Not yet.');
    yield* until(server.kill());
    yield* untilStatus(first.health, '503');
    yield* sleep(2 * PRESENCE_MS); // The sessions are informed also after all members have expired.
    yield* until(server.restart());
    expect(yield* lineThat(toAnna, /missing/)).toBe('* messages may be missing (reconnected)');
    yield* untilStatus(second.health, '200');
    yield* untilStatus(first.health, '200');
    yield* ben.send('Now?');
    expect(yield* lineThat(toAnna, /Now/)).toBe('ben: Now?');
    yield* ben.close();
  }
});
