/** `natsTopics` with real servers: faults, credentials, TLS, clusters. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { health } from '../../../src/health.ts';
import type { Operation, SocketAddress } from '../../../src/index.ts';
import { connect, group, run, timeout, until } from '../../../src/index.ts';
import type { NatsOptions, Topics } from '../../../src/topics.ts';
import { natsTopics, UnconfirmedError } from '../../../src/topics.ts';
import type { ChatJournal } from '../../sim/campaigns/topics-chat.ts';
import { chatWithServers, GATEWAYS } from '../../sim/campaigns/topics-chat.ts';
import { NatsAccounts } from '../../support/nats/accounts.ts';
import { NatsServer, withoutNatsServer } from '../../support/nats/server.ts';
import { freePort } from '../../support/process/free-port.ts';
import { endProcesses } from '../../support/process/process.ts';
import { eventually, failure, receiveText } from '../../support/sockets.ts';
import { CA, CLIENT, pem, SERVER } from '../../support/tls.ts';
import { nextOf, take } from '../../support/topics.ts';

/** Less than the time limit of a test. */
const LIMIT_MS = 28_000;

const FLOOD = fileURLToPath(new URL('../programs/nats-flood.mjs', import.meta.url));

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coronet-nats-'));
});

afterAll(() => rm(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const FAST: Omit<NatsOptions, 'servers'> = {
  reconnectDelayMs: 20,
  pingIntervalMs: 200,
  timeoutMs: 1000,
};

/** Runs `body` with connected topics. */
function withTopics(
  server: NatsServer,
  body: (topics: Topics) => Operation<void>,
  options: Partial<NatsOptions> = {},
): Promise<void> {
  return run(
    timeout(LIMIT_MS, function* () {
      using topics = yield* natsTopics({ servers: server.address, ...FAST, ...options });
      yield* body(topics);
    }),
  );
}

function* isReconnected(topics: Topics): Operation<void> {
  yield* eventually('the topics are connected', () => topics.state === 'connected');
}

/** Kills the server and waits until the topics have observed it. */
function* killObserved(server: NatsServer, topics: Topics): Operation<void> {
  yield* until(server.kill());
  yield* eventually('the topics have lost the server', () => topics.state === 'reconnecting');
}

// vitest shows the reason as a part of the title.
const reason = withoutNatsServer === undefined ? '' : ` (skipped: ${withoutNatsServer})`;
const title = `faults of nats-server${reason}`;

describe.skipIf(withoutNatsServer !== undefined)(title, () => {
  endProcesses();
  faults();
  chats();
  access();
});

function faults(): void {
  it('a restart of the server is one gap between the messages before and after it', async () => {
    const server = await NatsServer.start();
    await withTopics(server, function* (topics): Operation<void> {
      const subscription = yield* topics.subscribe('a.*', { capacity: 10 });
      yield* topics.publish('a.b', '1');
      yield* topics.flush();
      yield* killObserved(server, topics);
      yield* group(function* (tasks): Operation<void> {
        const publishing = tasks.spawn(() => topics.publish('a.b', '2'));
        yield* until(server.restart());
        yield* publishing.join();
      });
      const expected = ['a.b: 1', { gap: 'reconnected' }, 'a.b: 2'];
      expect(yield* take(subscription, 3)).toEqual(expected);
      expect(topics.stats()).toMatchObject({ reconnects: 1, state: 'connected', missed: 0 });
    });
  });

  it('messages that a killed server did not confirm are reported once', async () => {
    const server = await NatsServer.start();
    await withTopics(server, function* (topics): Operation<void> {
      yield* until(server.pause());
      for (let i = 0; i < 3; i++) yield* topics.publish('a', `${i}`);
      expect(topics.stats().unconfirmed).toBe(3);
      yield* killObserved(server, topics);
      yield* until(server.restart());
      yield* isReconnected(topics);
      const error = yield* failure(() => topics.publish('a', '4'));
      expect(error).toBeInstanceOf(UnconfirmedError);
      expect(error).toMatchObject({ code: 'ERR_PUBLISH_UNCONFIRMED', messages: 3 });
      yield* topics.publish('a', '4');
      yield* topics.flush();
      expect(topics.stats()).toMatchObject({ unconfirmedLost: 3, published: 4, unconfirmed: 0 });
    });
  });

  it('publish hands a stopped server at most flushBytes, then fails', async () => {
    const server = await NatsServer.start();
    const limits = { flushBytes: 100_000, maxDisconnectedMs: 100, pingIntervalMs: 60_000 };
    const body = function* (topics: Topics): Operation<void> {
      const subscription = yield* topics.subscribe('a', { capacity: 1000 });
      yield* until(server.pause());
      const data = Buffer.alloc(10_000);
      let published = 0;
      const error = yield* failure(function* () {
        for (;;) {
          yield* topics.publish('a', data);
          published++;
        }
      });
      expect(error).toMatchObject({ code: 'ERR_TOPICS_DISCONNECTED' });
      expect(published).toBe(10);
      expect(topics.stats()).toMatchObject({ unconfirmed: 10, publishedBytes: 100_000 });
      server.resume();
      yield* topics.flush();
      expect(topics.stats().unconfirmed).toBe(0);
      expect(yield* take(subscription, 10)).toHaveLength(10);
    };
    await withTopics(server, body, limits);
  });

  it('a server that stops to respond is a gap for its subscriptions', async () => {
    const server = await NatsServer.start();
    await withTopics(server, function* (topics): Operation<void> {
      const subscription = yield* topics.subscribe('a');
      yield* until(server.pause());
      yield* eventually('pings are not answered', () => topics.state === 'reconnecting');
      server.resume();
      yield* isReconnected(topics);
      yield* topics.publish('a', '1');
      expect(yield* take(subscription, 2)).toEqual([{ gap: 'reconnected' }, 'a: 1']);
    });
  });

  it('a server that cuts a subscriber for slowness is a gap in its subscription', async () => {
    const config = file('slow.conf', 'max_pending: 1MB\nwrite_deadline: "100ms"');
    const server = await NatsServer.start(['-c', config]);
    await withTopics(server, function* (topics): Operation<void> {
      const subscription = yield* topics.subscribe('flood', { capacity: Infinity });
      // Blocks the event loop, so this process receives nothing until all is published.
      execFileSync(process.execPath, [FLOOD, server.address]);
      yield* eventually('the topics reconnect', () => topics.stats().reconnects === 1);
      yield* topics.publish('flood', 'after');
      let received = 0;
      let item = yield* nextOf(subscription);
      for (; typeof item === 'string'; item = yield* nextOf(subscription)) received++;
      expect(received).toBeLessThan(1000);
      expect(item).toEqual({ gap: 'reconnected' });
      expect(yield* nextOf(subscription)).toBe('flood: after');
    });
  });

  it('/readyz reports whether the topics are connected', async () => {
    const server = await NatsServer.start();
    await withTopics(server, (topics) =>
      group(function* (tasks): Operation<void> {
        let at: SocketAddress | undefined;
        const ready = (): boolean => topics.state === 'connected';
        const onListening = (address: SocketAddress): void => {
          at = address;
        };
        tasks.spawn(() => health(0, { ready, onListening }), { daemon: true });
        yield* eventually('health listens', () => at !== undefined);
        expect(yield* readyz(at as SocketAddress)).toContain('200 OK');
        yield* killObserved(server, topics);
        expect(yield* readyz(at as SocketAddress)).toContain('503 Service Unavailable');
        yield* until(server.restart());
        yield* isReconnected(topics);
        expect(yield* readyz(at as SocketAddress)).toContain('200 OK');
      }),
    );
  });
}

function* readyz(address: SocketAddress): Operation<string> {
  using socket = yield* connect(address);
  yield* socket.sendAll('GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  return yield* receiveText(socket);
}

/** Runs the chat of the simulation. Calls `disturb` several times. */
function chat(
  serverOf: (gateway: string) => string,
  disturb: () => Operation<void>,
  settleMs = 0,
): Promise<ChatJournal> {
  const natsOf = (name: string): NatsOptions => ({
    servers: serverOf(name),
    ...FAST,
    maxDisconnectedMs: 1000,
  });
  const scenario = () => chatWithServers({ messages: 200, faults: 3, natsOf, disturb, settleMs });
  return run(timeout(LIMIT_MS, scenario));
}

function expectNothingLost(journal: ChatJournal, gateways = GATEWAYS): void {
  const totals = journal.totals(gateways);
  expect(totals).toMatchObject({ lost: 0 });
  expect(totals.received).toBeGreaterThan(0);
  expect(totals.gaps).toBeGreaterThan(0);
}

function chats(): void {
  it('a chat loses no message silently while its server is killed under load', async () => {
    const server = await NatsServer.start();
    const disturb = function* (): Operation<void> {
      yield* until(server.kill());
      yield* until(server.restart());
    };
    expectNothingLost(await chat(() => server.address, disturb));
  });

  it('a chat loses no message of others when a server of a cluster is killed', async () => {
    const servers = await startCluster();
    // A gateway begins with a server of its own, which informs it about the others.
    const serverOf = (name: string): string => {
      const server = servers[GATEWAYS.indexOf(name)] as NatsServer;
      return server.address;
    };
    const journal = await chat(serverOf, () => until(servers[0].kill()), 500);
    // The killed server may have confirmed messages of its client that it has not forwarded.
    expectNothingLost(journal, GATEWAYS.slice(1));
  });
}

/** Three servers that forward messages to each other. */
async function startCluster(): Promise<readonly [NatsServer, NatsServer, NatsServer]> {
  const clusterPort = await freePort();
  const seed = `nats://127.0.0.1:${clusterPort}`;
  const args = ['--cluster_name', 'test'];
  const first = await NatsServer.start([...args, '--cluster', seed]);
  const others = ['--cluster', 'nats://127.0.0.1:-1', '--routes', seed];
  const second = await NatsServer.start([...args, ...others]);
  const third = await NatsServer.start([...args, ...others]);
  // Before, they do not forward messages.
  for (const server of [first, second, third]) await server.untilRoutes(2);
  return [first, second, third];
}

function access(): void {
  it('wrong credentials fail with the reason', async () => {
    const server = await NatsServer.start(['--user', 'anna', '--pass', 'secret']);
    const wrong = { servers: server.address, user: 'anna', password: 'wrong' };
    await run(function* () {
      expect(yield* failure(() => natsTopics(wrong))).toMatchObject({
        code: 'ERR_TOPICS_CONNECT',
        message: expect.stringMatching(/127\.0\.0\.1:\d+: .*Authorization/i),
      });
    });
    const right = { user: 'anna', password: 'secret' };
    await withTopics(server, (topics) => topics.flush(), right);
  });

  it('only a server that trusts their operator accepts .creds credentials', async () => {
    const [accounts, others] = [new NatsAccounts(), new NatsAccounts()];
    const server = await NatsServer.start(['-c', file('accounts.conf', accounts.config)]);
    const body = function* (topics: Topics): Operation<void> {
      const subscription = yield* topics.subscribe('a');
      yield* topics.publish('a', '1');
      yield* topics.flush();
      yield* killObserved(server, topics);
      yield* until(server.restart());
      yield* topics.publish('a', '2');
      expect(yield* take(subscription, 3)).toEqual(['a: 1', { gap: 'reconnected' }, 'a: 2']);
      for (const access of [{ credentials: others.createUser() }, {}, { token: 'secret' }]) {
        const options = { servers: server.address, ...access };
        expect(yield* failure(() => natsTopics(options))).toMatchObject({
          code: 'ERR_TOPICS_CONNECT',
          message: expect.stringMatching(/Authorization/i),
        });
      }
    };
    await withTopics(server, body, { credentials: accounts.createUser() });
  });

  it('credentials that are not the contents of a .creds file fail with the reason', async () => {
    const server = await NatsServer.start();
    const options = { servers: server.address, credentials: '/etc/nats/user.creds' };
    await run(function* () {
      expect(yield* failure(() => natsTopics(options))).toMatchObject({
        code: 'ERR_TOPICS_CONNECT',
        message: expect.stringContaining('credentials'),
      });
    });
  });

  it('a server that does not exist fails with the reason', () =>
    run(function* () {
      const error = yield* failure(() => natsTopics({ servers: '127.0.0.1:1' }));
      expect(error).toMatchObject({ code: 'ERR_TOPICS_CONNECT', cause: expect.any(Error) });
    }));

  it('a cancelled connection attempt leaves nothing open', async () => {
    const server = await NatsServer.start();
    await server.pause();
    await run(function* () {
      const opening = natsTopics({ servers: server.address, timeoutMs: 1000 });
      const error = yield* failure(() => timeout(10, opening));
      expect(error).toMatchObject({ code: 'ERR_TIMEOUT' });
    });
  });

  it('TLS checks the certificate of the server and can present one of the client', async () => {
    const cert = file('cert.pem', SERVER.cert);
    const key = file('key.pem', SERVER.key);
    const ca = file('ca.pem', CA);
    const tls = ['--tlsverify', '--tlscert', cert, '--tlskey', key, '--tlscacert', ca];
    const server = await NatsServer.start(tls);
    const identity = { ca: CA, cert: CLIENT.cert, key: CLIENT.key };
    await withTopics(
      server,
      function* (topics) {
        const subscription = yield* topics.subscribe('a');
        yield* topics.publish('a', 'secret');
        expect(yield* nextOf(subscription)).toBe('a: secret');
      },
      { tls: identity },
    );
    await run(function* () {
      const untrusted = { servers: server.address, tls: { ca: pem('self.cert') } };
      expect(yield* failure(() => natsTopics(untrusted))).toMatchObject({
        code: 'ERR_TOPICS_CONNECT',
      });
    });
  });

  it('a subject without permission fails its subscription, and the next flush', async () => {
    const permissions = '{ publish: "open.>", subscribe: ["open.>", "_INBOX.>"] }';
    const users = `[{ user: anna, password: secret, permissions: ${permissions} }]`;
    const config = file('permissions.conf', `authorization { users: ${users} }`);
    const server = await NatsServer.start(['-c', config]);
    const body = function* (topics: Topics): Operation<void> {
      const denied = { code: 'ERR_TOPICS_DENIED' };
      expect(yield* failure(() => topics.subscribe('closed'))).toMatchObject(denied);
      expect(topics.stats().subscriptions).toBe(0);
      yield* topics.publish('closed', '');
      expect(yield* failure(() => topics.flush())).toMatchObject(denied);
      const subscription = yield* topics.subscribe('open.*');
      yield* topics.publish('open.a', '1');
      expect(yield* nextOf(subscription)).toBe('open.a: 1');
    };
    await withTopics(server, body, { user: 'anna', password: 'secret' });
  });

  it('a message that is larger than the server permits is rejected before it is sent', async () => {
    const config = file('small.conf', 'max_payload: 1000');
    const server = await NatsServer.start(['-c', config]);
    await withTopics(server, function* (topics): Operation<void> {
      const subscription = yield* topics.subscribe('a');
      const large = Buffer.alloc(1001);
      expect(yield* failure(() => topics.publish('a', large))).toMatchObject({
        code: 'ERR_MESSAGE_TOO_LARGE',
      });
      yield* topics.publish('a', large.subarray(1));
      expect(yield* nextOf(subscription)).toHaveLength(1003);
      expect(topics.stats()).toMatchObject({ published: 1, reconnects: 0 });
    });
  });
}
