/** System calls of the server that fail as the system seldom lets them: by strace. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Load, open } from './clients.mjs';
import { until, withTarget } from './server-process.mjs';

/**
 * Each call fails from the second on, every so often. `ends`: it is an error of the connection,
 * which ends there, and the client asks again on another one. Otherwise nobody notices.
 *
 * "Nothing there" (EAGAIN) where there is something is what the system never says: it would not
 * tell again (epoll(7), edge-triggered). There the clients send an empty line when an answer is
 * late (`nudgeMs`), or others connect (`knockMs`): nothing is lost by then.
 */
const CASES = [
  { calls: 'accept4', error: 'EMFILE' },
  { calls: 'accept4', error: 'ENFILE' },
  { calls: 'accept4', error: 'ENOBUFS' },
  { calls: 'accept4', error: 'ENOMEM' },
  { calls: 'accept4', error: 'ECONNABORTED' },
  { calls: 'accept4', error: 'EINTR' },
  { calls: 'accept4', error: 'EAGAIN', knockMs: 100 },
  { calls: 'recvfrom', error: 'EINTR' },
  { calls: 'recvfrom', error: 'EAGAIN', nudgeMs: 100 },
  { calls: 'recvfrom', error: 'ENOBUFS', ends: true },
  { calls: 'recvfrom', error: 'ECONNRESET', ends: true },
  { calls: 'recvfrom', error: 'ETIMEDOUT', ends: true },
  { calls: 'sendto', error: 'EINTR' },
  { calls: 'sendto', error: 'EAGAIN', nudgeMs: 100 },
  { calls: 'sendto', error: 'ENOBUFS', ends: true },
  { calls: 'sendto', error: 'EPIPE', ends: true },
  { calls: 'sendto', error: 'ECONNRESET', ends: true },
  { calls: '?epoll_wait,?epoll_pwait', error: 'EINTR' },
];

export const injected = {
  name: 'injected',
  short: { clients: 5, answers: 50, every: 7 },
  long: { clients: 20, answers: 2000, every: 7 },
  /** Where node:net lies below, the calls are libuv's, and what they mean is its affair. */
  backends: ['epoll'],

  unable() {
    const { status, error } = spawnSync('strace', [
      ...['-f', '--seccomp-bpf', '-qq', '-e', 'inject=getppid:error=EPERM', '-o', '/dev/null'],
      ...[process.execPath, '-e', '0'],
    ]);
    if (error !== undefined) return 'strace is not installed';
    return status === 0 ? undefined : 'strace may not trace processes here';
  },

  async play({ clients, answers, every, backend }) {
    let faults = 0;
    let whole = 0;
    let ended = 0;
    for (const fault of CASES) {
      const some = await playCase(fault, { clients, answers, every, backend });
      faults += some.faults;
      whole += some.whole;
      ended += some.ended;
    }
    const load =
      `${CASES.length} pairs of call and error, ${whole} answers; ` +
      `${ended} connections ended by an error of their own, and were asked again`;
    return { load, faults, lost: 0 };
  },
};

async function playCase(fault, { clients, answers, every, backend }) {
  const { calls, error, ends = false, nudgeMs, knockMs } = fault;
  const folder = mkdtempSync(join(tmpdir(), 'coronet-fire-'));
  const log = join(folder, 'strace');
  const strace = [
    ...['strace', '-f', '--seccomp-bpf', '-qq', '-o', log, '-e', `trace=${calls}`],
    ...['-e', `inject=${calls}:error=${error}:when=2+${every}`],
  ];
  const play = async (target) => {
    const options = { clients, again: true, perConnection: 5, size: 20_000, nudgeMs };
    const load = new Load(target.port, options);
    const name = `${calls} ${error}`;
    const knock = knockMs && setInterval(() => open(target.port).end(), knockMs);
    try {
      await until(`${answers} answers (${name})`, () => load.tally.whole >= answers);
      await load.stop();
    } finally {
      clearInterval(knock);
    }
    // Who has ended while the server was told "nothing there" is ended by the limit.
    await target.untilOpen(0);
    assert.deepEqual(await target.stop(), { code: 0, signal: null }, `${name}: ${target.stderr}`);
    const faults = readFileSync(log, 'utf8').split('(INJECTED)').length - 1;
    const { whole, none, torn, wrong, refused } = load.tally;
    assert.ok(faults > 0, `${name}: nothing was injected`);
    assert.deepEqual({ wrong, refused }, { wrong: 0, refused: 0 }, name);
    // Each fault has ended one connection at most, and none that it should not have ended.
    assert.ok(none + torn <= (ends ? faults : 0), `${name}: ${JSON.stringify(load.tally)}`);
    return { faults, whole, ended: none + torn };
  };
  try {
    return await withTarget({ server: { idleTimeoutMs: 2000 }, backend }, play, strace);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
