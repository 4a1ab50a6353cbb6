import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { realBackends } from '../support/backends.ts';
import { coronet, freePort, startEcho } from '../support/process/coronet-command.ts';
import type { Process } from '../support/process/process.ts';
import { endProcesses, Process as Started } from '../support/process/process.ts';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

describe('the command', () => {
  endProcesses();

  for (const { name: backend } of realBackends) {
    it(`says in one sentence that the port is in use, on ${backend}`, async () => {
      const { port } = await startEcho('--backend', backend);
      const second = coronet('echo', '--port', `${port}`, '--backend', backend);
      await expectRefusal(second, 1, [`127.0.0.1:${port}`, 'in use']);
    });

    it(`says in one sentence that the port is not allowed, on ${backend}`, async () => {
      const args = ['echo', '--port', '1', '--backend', backend];
      await expectRefusal(withoutPrivilege(args), 1, ['127.0.0.1:1', 'may not listen']);
    });

    it(`says in one sentence that an address is not of this machine, on ${backend}`, async () => {
      const args = ['--host', '203.0.113.77', '--port', `${await freePort()}`];
      await expectRefusal(coronet('echo', ...args, '--backend', backend), 1, ['203.0.113.77']);
    });
  }

  it('does not know an option that does not exist, and makes a guess', async () => {
    await expectRefusal(coronet('echo', '--prot', '80'), 2, ['--prot', 'Did you mean --port?']);
  });

  it('does not know a command that does not exist, and makes a guess', async () => {
    await expectRefusal(coronet('ecko'), 2, ["'ecko'", 'Did you mean `coronet echo`?']);
    await expectRefusal(coronet('xyzzy'), 2, ["'xyzzy'", 'coronet --help']);
  });

  it('takes no names of the language for commands', async () => {
    for (const name of ['constructor', 'toString', '__proto__']) {
      await expectRefusal(coronet(name), 2, [`'${name}'`]);
    }
  });

  for (const port of ['99999', '-1', 'http', '80.5', '', '0x50']) {
    it(`does not take '${port}' for a port`, async () => {
      await expectRefusal(coronet('echo', `--port=${port}`), 2, ['--port']);
    });
  }

  for (const host of ['[::1]', 'a b', '1.2.3.4.5']) {
    it(`does not take '${host}' for a host`, async () => {
      for (const args of [['echo'], ['serve', 'handler.mjs']]) {
        await expectRefusal(coronet(...args, '--host', host), 2, ['--host', `'${host}'`]);
      }
    });
  }

  it('behind the last port advises one that there is', async () => {
    const holder = createServer();
    holder.listen(65_535, '127.0.0.1');
    // Whoever has it: it is in use.
    await once(holder, 'listening').catch(() => {});
    await expectRefusal(coronet('echo', '--port', '65535'), 1, ['in use', '--port 0']);
    holder.close();
  });

  it('does not take an unknown backend', async () => {
    const started = coronet('echo', '--backend', 'select');
    await expectRefusal(started, 2, ['auto', 'epoll', 'portable', "'select'"]);
    const env = { CORONET_BACKEND: 'select' };
    const byEnvironment = new Started(process.execPath, [main, 'echo'], { env });
    await expectRefusal(byEnvironment, 1, ['auto', 'epoll', 'portable', "'select'"]);
  });

  it('does not take an argument that it has no use for', async () => {
    await expectRefusal(coronet('echo', 'loudly'), 2, ['loudly']);
  });

  it('explains itself with examples first', async () => {
    for (const args of [['--help'], ['-h'], [], ['echo', '--help'], ['doctor', '--help']]) {
      const started = coronet(...args);
      expect(await started.exit).toEqual({ code: 0, signal: null });
      expect(started.stdout).toMatch(/^Examples:/);
      expect(started.stderr).toBe('');
    }
  });

  it('tells its version', async () => {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    const started = coronet('--version');
    await started.exit;
    expect(started.stdout).toBe(`${(JSON.parse(text) as { version: string }).version}\n`);
  });
});

describe('coronet doctor', () => {
  endProcesses();

  it('tells people which backend is used, and why', async () => {
    const started = coronet('doctor');
    expect(await started.exit).toEqual({ code: 0, signal: null });
    const backend = realBackends[0]?.name ?? '';
    expect(started.stdout).toMatch(new RegExp(`^backend +${backend} \\(.+\\)$`, 'm'));
    expect(started.stdout).toContain(process.versions.node);
  });

  it('tells programs the same', async () => {
    const started = coronet('doctor', '--json');
    expect(await started.exit).toEqual({ code: 0, signal: null });
    expect(JSON.parse(started.stdout)).toMatchObject({
      node: process.versions.node,
      backend: realBackends[0]?.name,
      reason: expect.stringMatching(/./),
    });
  });
});

/** It ends with `code`, says one line on standard error that holds `words`, and nothing else. */
async function expectRefusal(started: Process, code: number, words: string[]): Promise<void> {
  expect(await started.exit).toEqual({ code, signal: null });
  expect(started.stderr).toMatch(/^[^\n]+\n$/);
  for (const word of words) expect(started.stderr).toContain(word);
  expect(started.stdout).toBe('');
}

/** The superuser gives up the privilege of low ports; other users have none. */
function withoutPrivilege(args: readonly string[]): Process {
  if (process.geteuid?.() !== 0) return coronet(...args);
  const drop = ['--bounding-set=-net_bind_service', '--inh-caps=-net_bind_service'];
  const canDrop = spawnSync('setpriv', [...drop, 'true']).status === 0;
  if (!canDrop) throw new Error('As the superuser this test needs setpriv (util-linux)');
  return new Started('setpriv', [...drop, process.execPath, main, ...args]);
}
