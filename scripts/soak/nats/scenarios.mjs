/**
 * Topics with real nats-server processes that fail: the chat of test/sim/campaigns/topics-chat.ts,
 * and a subscriber that is slow. A scenario throws if a message that the server confirmed is
 * missing without a gap at its place.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
// `npm run soak` has compiled it.
import { ChatJournal, chatWithServers, GATEWAYS } from '../../../build/campaigns/topics-chat.js';
import { run, sleep, timeout, until } from '../../../dist/index.js';
import { natsTopics } from '../../../dist/topics.js';
import { skipReason, withServers } from './server.mjs';

/** No chat takes longer. */
const LIMIT_MS = 120_000;
const FAST = {
  reconnectDelayMs: 20,
  pingIntervalMs: 200,
  timeoutMs: 1000,
  maxDisconnectedMs: 1000,
};
const STOP_MS = 5000;
const root = fileURLToPath(new URL('../../..', import.meta.url));
const FLOOD = join(root, 'test/conformance/programs/nats-flood.mjs');
/** The messages of one run of FLOOD. */
const FLOOD_MESSAGES = 1000;
const WRONG_ACCESS = [{}, { user: 'anna', password: 'wrong' }, { token: 'secret' }];

const certificate = (name) => join(root, `test/support/certificates/${name}.pem`);
const pem = (name) => readFileSync(certificate(name), 'utf8');

export const natsScenarios = [
  {
    name: 'nats-restart',
    short: { messages: 300, faults: 3 },
    long: { messages: 2000, faults: 20 },
    play: async ({ startServer, ...options }) => [await restarts(await startServer(), {}, options)],
  },
  {
    name: 'nats-stop',
    short: { messages: 200, faults: 1 },
    long: { messages: 1000, faults: 5 },
    play: stops,
  },
  { name: 'nats-slow', short: { faults: 1 }, long: { faults: 10 }, play: slowSubscriber },
  {
    name: 'nats-credentials',
    short: { messages: 200, faults: 2 },
    long: { messages: 2000, faults: 20 },
    play: wrongCredentials,
  },
  {
    name: 'nats-tls',
    short: { messages: 200, faults: 2 },
    long: { messages: 2000, faults: 20 },
    play: restartsWithTls,
  },
  {
    name: 'nats-cluster',
    short: { messages: 200, faults: 1 },
    long: { messages: 500, faults: 10 },
    play: cluster,
  },
].map(({ play, ...scenario }) => ({
  ...scenario,
  skipReason,
  run: (options) =>
    withServers(async (startServer) => {
      const journals = await play({ startServer, ...options });
      return summary(journals, options.faults);
    }),
}));

/** The figures of several chats. Throws if a message is missing without a gap. */
function summary(journals, faults) {
  const sum = { confirmed: 0, received: 0, covered: 0, outside: 0, lost: 0, gaps: 0 };
  for (const journal of journals) {
    for (const [key, count] of Object.entries(journal.totals())) sum[key] += count;
  }
  const load =
    `${sum.confirmed} published, ${sum.received} delivered, ${sum.gaps} gaps reported, which ` +
    `cover ${sum.covered} messages`;
  assert.equal(sum.lost, 0, `${sum.lost} messages were lost silently; ${load}`);
  assert.ok(sum.received > 0, load);
  return { faults, lost: sum.lost, load };
}

function* withTopics(options, body) {
  const topics = yield* natsTopics(options);
  try {
    return yield* body(topics);
  } finally {
    topics.close();
  }
}

/** Runs the chat on `backend`. */
function chat({ messages, faults, backend }, natsOf, disturb) {
  const play = () => chatWithServers({ messages, faults, natsOf, disturb });
  return run(timeout(LIMIT_MS, play), { backend });
}

/** The server is killed and started again under load. */
async function restarts(server, access, options) {
  const natsOf = () => ({ servers: server.address, ...FAST, ...access });
  const journal = await chat(options, natsOf, () => until(server.restart()));
  assert.ok(journal.totals().gaps >= options.faults);
  return journal;
}

/**
 * The server does not run for 5 s: with short intervals of pings, the connection counts as lost;
 * with the default, it survives, and the messages arrive late.
 */
async function stops({ startServer, ...options }) {
  const server = await startServer();
  const disturb = () => until(stopFor5s(server));
  const natsOf = () => ({ servers: server.address, ...FAST });
  const lost = await chat(options, natsOf, disturb);
  assert.ok(lost.totals().gaps > 0);
  const kept = await chat(options, () => ({ servers: server.address }), disturb);
  return [lost, kept];
}

async function stopFor5s(server) {
  server.signal('SIGSTOP');
  await delay(STOP_MS);
  server.signal('SIGCONT');
}

/** The server cuts a subscriber, because its process does not receive while another publishes. */
async function slowSubscriber({ startServer, faults, backend }) {
  const server = await startSlowServer(startServer);
  const journal = new ChatJournal();
  const items = [];
  journal.streams.push({ after: new Map(), items });
  const confirmed = new Set();
  journal.confirmed.set('flood', confirmed);
  const body = function* (topics) {
    const subscription = yield* topics.subscribe('flood', { capacity: Infinity });
    for (let fault = 1; fault <= faults; fault++) {
      flood(server, confirmed);
      while (topics.stats().reconnects < fault) yield* sleep(1);
      const last = confirmed.size + 1;
      yield* topics.publish('flood', `flood ${last} last`);
      yield* topics.flush();
      confirmed.add(last);
      yield* receiveUntil(subscription, last, items);
    }
  };
  const options = { servers: server.address, ...FAST, pingIntervalMs: 60_000 };
  await run(
    timeout(LIMIT_MS, () => withTopics(options, body)),
    { backend },
  );
  assert.equal(journal.totals().gaps, faults);
  return [journal];
}

/** Publishes from another process, and blocks this one meanwhile. */
function flood(server, confirmed) {
  const first = confirmed.size + 1;
  const args = [FLOOD, server.address, String(first)];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', timeout: LIMIT_MS });
  assert.equal(status, 0);
  for (let n = first; n < first + FLOOD_MESSAGES; n++) confirmed.add(n);
}

function* receiveUntil(subscription, last, items) {
  for (;;) {
    const { value } = yield* subscription.next();
    if (value.gap !== undefined) {
      items.push('gap');
      continue;
    }
    const n = Number(String(value.data).split(' ', 2)[1]);
    items.push({ gateway: 'flood', n });
    if (n === last) return;
  }
}

async function startSlowServer(startServer) {
  const folder = mkdtempSync(join(tmpdir(), 'coronet-nats-'));
  try {
    const config = join(folder, 'slow.conf');
    writeFileSync(config, 'max_pending: 1MB\nwrite_deadline: "100ms"');
    return await startServer('-c', config);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Clients with wrong credentials are rejected under load, and do not disturb the others. */
async function wrongCredentials({ startServer, ...options }) {
  const server = await startServer('--user', 'anna', '--pass', 'secret');
  const right = { user: 'anna', password: 'secret' };
  const natsOf = () => ({ servers: server.address, ...FAST, ...right });
  const disturb = function* () {
    for (const access of WRONG_ACCESS) yield* expectRejected(server, access);
  };
  return [await chat(options, natsOf, disturb)];
}

function* expectRejected(server, access) {
  const connected = function* () {
    assert.fail('Expected that the server rejects the connection');
  };
  try {
    yield* withTopics({ servers: server.address, ...FAST, ...access }, connected);
  } catch (error) {
    if (error.code !== 'ERR_TOPICS_CONNECT') throw error;
  }
}

/** Both sides present certificates. The server is killed and started again under load. */
async function restartsWithTls({ startServer, ...options }) {
  const files = ['--tlscert', certificate('server.cert'), '--tlskey', certificate('server.key')];
  const args = ['--tlsverify', ...files, '--tlscacert', certificate('ca.cert')];
  const server = await startServer(...args);
  const tls = { ca: pem('ca.cert'), cert: pem('client.cert'), key: pem('client.key') };
  const journal = await restarts(server, { tls }, options);
  for (const untrusted of [{ ...tls, ca: pem('self.cert') }, { ca: tls.ca }]) {
    await run(() => expectRejected(server, { tls: untrusted }));
  }
  return [journal];
}

/** One of three servers is killed under load, in a new cluster each time. */
async function cluster({ messages, faults, backend }) {
  const journals = [];
  for (let round = 0; round < faults; round++) {
    await withServers(async (startServer) => {
      const servers = await startCluster(startServer);
      // A gateway begins with a server of its own, which informs it about the others.
      const serverOf = (name) => servers[GATEWAYS.indexOf(name)].address;
      const natsOf = (name) => ({ servers: serverOf(name), ...FAST });
      const kill = () => until(servers[round % servers.length].kill());
      const journal = await chat({ messages, faults: 1, backend }, natsOf, kill);
      // The killed server may have confirmed messages of its client that it has not forwarded.
      const others = GATEWAYS.filter((_name, i) => i !== round % servers.length);
      journals.push({ totals: () => journal.totals(others) });
    });
  }
  return journals;
}

async function startCluster(startServer) {
  const args = ['--cluster_name', 'soak', '--cluster', 'nats://127.0.0.1:-1'];
  const first = await startServer(...args);
  const others = [...args, '--routes', `nats://127.0.0.1:${first.clusterPort}`];
  const servers = [first, await startServer(...others), await startServer(...others)];
  for (const server of servers) await server.until('Route connection created', servers.length - 1);
  return servers;
}
