/** Errors of system calls that are rare in practice, injected by strace. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Load, open } from './clients.mjs';
import { until, withServer } from './server-process.mjs';

/**
 * A call fails from the second time on, at an interval. `ends`: the error concerns a connection,
 * which ends, and the client repeats its request on another one. Other errors have no visible
 * effect.
 *
 * EAGAIN for a ready descriptor does not occur in practice, and edge-triggered epoll(7) does not
 * report the descriptor again. In these cases the clients cause another event: an empty line every
 * `emptyLineMs`, or a connection every `connectMs`.
 */
const CASES = [
  { calls: 'accept4', error: 'EMFILE' },
  { calls: 'accept4', error: 'ENFILE' },
  { calls: 'accept4', error: 'ENOBUFS' },
  { calls: 'accept4', error: 'ENOMEM' },
  { calls: 'accept4', error: 'ECONNABORTED' },
  { calls: 'accept4', error: 'EINTR' },
  { calls: 'accept4', error: 'EAGAIN', connectMs: 100 },
  { calls: 'recvfrom', error: 'EINTR' },
  { calls: 'recvfrom', error: 'EAGAIN', emptyLineMs: 100 },
  { calls: 'recvfrom', error: 'ENOBUFS', ends: true },
  { calls: 'recvfrom', error: 'ECONNRESET', ends: true },
  { calls: 'recvfrom', error: 'ETIMEDOUT', ends: true },
  { calls: 'sendto', error: 'EINTR' },
  { calls: 'sendto', error: 'EAGAIN', emptyLineMs: 100 },
  { calls: 'sendto', error: 'ENOBUFS', ends: true },
  { calls: 'sendto', error: 'EPIPE', ends: true },
  { calls: 'sendto', error: 'ECONNRESET', ends: true },
  { calls: '?epoll_wait,?epoll_pwait', error: 'EINTR' },
];

export const syscallErrors = {
  name: 'syscall-errors',
  title: 'survives system calls that fail, and loses only connections with an error of their own',
  short: { clients: 5, responses: 50, every: 7 },
  long: { clients: 20, responses: 2000, every: 7 },
  /** The system calls of the portable backend belong to libuv. */
  backends: ['epoll'],

  skipReason() {
    const { status, error } = spawnSync('strace', [
      ...['-f', '--seccomp-bpf', '-qq', '-e', 'inject=getppid:error=EPERM', '-o', '/dev/null'],
      ...[process.execPath, '-e', '0'],
    ]);
    if (error !== undefined) return 'strace is not installed';
    return status === 0 ? undefined : 'strace is not permitted to trace processes';
  },

  async run({ clients, responses, every, backend }) {
    const sum = { faults: 0, whole: 0, ended: 0 };
    for (const fault of CASES) {
      const counts = await runCase(fault, { clients, responses, every, backend });
      for (const key of Object.keys(sum)) sum[key] += counts[key];
    }
    const load =
      `${CASES.length} pairs of call and error, ${sum.whole} responses; ` +
      `${sum.ended} connections ended by their own error, whose requests were repeated`;
    return { load, faults: sum.faults, lost: 0 };
  },
};

async function runCase(fault, { backend, ...options }) {
  const folder = mkdtempSync(join(tmpdir(), 'coronet-faults-'));
  const log = join(folder, 'strace');
  const { calls, error } = fault;
  const strace = [
    ...['strace', '-f', '--seccomp-bpf', '-qq', '-o', log, '-e', `trace=${calls}`],
    ...['-e', `inject=${calls}:error=${error}:when=2+${options.every}`],
  ];
  const config = { options: { idleTimeoutMs: 2000 }, backend };
  try {
    return await withServer(
      config,
      (server) => runLoad(server, fault, { ...options, log }),
      strace,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runLoad(server, fault, { clients, responses, log }) {
  const { ends = false, emptyLineMs, connectMs } = fault;
  const name = `${fault.calls} ${fault.error}`;
  const options = { clients, reconnect: true, perConnection: 5, size: 20_000, emptyLineMs };
  const load = new Load(server.port, options);
  const timer = connectMs && setInterval(() => open(server.port).end(), connectMs);
  try {
    await until(`${responses} responses (${name})`, () => load.outcomes.whole >= responses);
    await load.stop();
  } finally {
    clearInterval(timer);
  }
  // A client that ended while a readiness event was lost is ended by the idle timeout.
  await server.untilOpen(0);
  assert.deepEqual(await server.stop(), { code: 0, signal: null }, `${name}: ${server.stderr}`);
  const faults = readFileSync(log, 'utf8').split('(INJECTED)').length - 1;
  const { whole, none, torn, wrong, refused } = load.outcomes;
  assert.ok(faults > 0, `${name}: no fault was injected`);
  assert.deepEqual({ wrong, refused }, { wrong: 0, refused: 0 }, name);
  // A fault ends at most one connection, and only if `ends` is set.
  assert.ok(none + torn <= (ends ? faults : 0), `${name}: ${JSON.stringify(load.outcomes)}`);
  return { faults, whole, ended: none + torn };
}
