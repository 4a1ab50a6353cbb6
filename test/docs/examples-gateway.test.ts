/** examples/gateway: two gateways, as on two machines, share their rooms through nats-server. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Operation } from '../../src/index.ts';
import { connect, run, sleep, timeout, until } from '../../src/index.ts';
import { connectWs } from '../../src/ws.ts';
import { NatsServer, withoutNatsServer } from '../support/nats/server.ts';
import { freePort } from '../support/process/coronet-command.ts';
import { endProcesses, Process } from '../support/process/process.ts';
import { buildExamples } from './examples-build.ts';

const BUILT = buildExamples('examples-gateway');
const LIMIT_MS = 50_000;

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

function* untilStatus(port: number, status: string): Operation<void> {
  while ((yield* readyz(port)) !== status) yield* sleep(10);
}

/** Receives until a line matches, and returns it. */
function* lineThat(receive: () => Operation<unknown>, pattern: RegExp): Operation<string> {
  for (;;) {
    const line = yield* receive();
    if (line === null) throw new Error(`The connection has ended before ${pattern}`);
    if (pattern.test(String(line))) return String(line);
  }
}

const reason = withoutNatsServer === undefined ? '' : ` (skipped: ${withoutNatsServer})`;

describe.skipIf(withoutNatsServer !== undefined)(`examples/gateway${reason}`, () => {
  endProcesses();

  test(
    'a gateway and workers share rooms and presence, report gaps and drain',
    async () => {
      const server = await NatsServer.start();
      const [first, second] = [
        await start('gateway', server.address),
        await start('workers', server.address),
      ];
      await run(timeout(LIMIT_MS, () => chat(server, first, second)));
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
    yield* until(server.restart());
    expect(yield* lineThat(toAnna, /missing/)).toBe('* messages may be missing (reconnected)');
    yield* untilStatus(second.health, '200');
    yield* untilStatus(first.health, '200');
    yield* ben.send('Now?');
    expect(yield* lineThat(toAnna, /Now/)).toBe('ben: Now?');
    yield* ben.close();
  }
});
