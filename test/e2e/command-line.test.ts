import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { realBackends } from '../support/backends.ts';
import { coronet, startEcho } from '../support/process/coronet-command.ts';
import { freePort } from '../support/process/free-port.ts';
import type { Process } from '../support/process/process.ts';
import { endProcesses, Process as Started } from '../support/process/process.ts';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

describe('the command', () => {
  endProcesses();

  for (const { name: backend } of realBackends) {
    it(`reports a port in use with one sentence, on ${backend}`, async () => {
      const { port } = await startEcho('--backend', backend);
      const second = coronet('echo', '--port', `${port}`, '--backend', backend);
      await expectError(second, 1, [`127.0.0.1:${port}`, 'in use']);
    });

    it(`reports a forbidden port with one sentence, on ${backend}`, async () => {
      const args = ['echo', '--port', '1', '--backend', backend];
      await expectError(withoutPrivilege(args), 1, ['127.0.0.1:1', 'is not allowed to listen']);
    });

    it(`reports an address of another machine with one sentence, on ${backend}`, async () => {
      const args = ['--host', '203.0.113.77', '--port', `${await freePort()}`];
      await expectError(coronet('echo', ...args, '--backend', backend), 1, ['203.0.113.77']);
    });
  }

  it('rejects an unknown option and suggests the one that was meant', async () => {
    await expectError(coronet('echo', '--prot', '80'), 2, ['--prot', 'Did you mean --port?']);
  });

  it('rejects an unknown command and suggests the one that was meant', async () => {
    await expectError(coronet('ecko'), 2, ["'ecko'", 'Did you mean `coronet echo`?']);
    await expectError(coronet('xyzzy'), 2, ["'xyzzy'", 'coronet --help']);
  });

  it('rejects names of Object.prototype as commands', async () => {
    for (const name of ['constructor', 'toString', '__proto__']) {
      await expectError(coronet(name), 2, [`'${name}'`]);
    }
  });

  for (const port of ['99999', '-1', 'http', '80.5', '', '0x50']) {
    it(`rejects '${port}' as a port`, async () => {
      await expectError(coronet('echo', `--port=${port}`), 2, ['--port']);
    });
  }

  for (const host of ['[::1]', 'a b', '1.2.3.4.5']) {
    it(`rejects '${host}' as a host`, async () => {
      for (const args of [['echo'], ['serve', 'handler.mjs']]) {
        await expectError(coronet(...args, '--host', host), 2, ['--host', `'${host}'`]);
      }
    });
  }

  it('suggests a valid port if port 65535 is in use', async () => {
    const holder = createServer();
    holder.listen(65_535, '127.0.0.1');
    // If another program has the port, it is also in use.
    await once(holder, 'listening').catch(() => {});
    await expectError(coronet('echo', '--port', '65535'), 1, ['in use', '--port 0']);
    holder.close();
  });

  it('rejects an unknown backend', async () => {
    const started = coronet('echo', '--backend', 'select');
    await expectError(started, 2, ['auto', 'epoll', 'portable', "'select'"]);
    const env = { CORONET_BACKEND: 'select' };
    const byEnvironment = new Started(process.execPath, [main, 'echo'], { env });
    await expectError(byEnvironment, 1, ['auto', 'epoll', 'portable', "'select'"]);
  });

  it('rejects an unexpected argument', async () => {
    await expectError(coronet('echo', 'loudly'), 2, ['loudly']);
  });

  it('prints help that begins with examples', async () => {
    for (const args of [['--help'], ['-h'], [], ['echo', '--help'], ['doctor', '--help']]) {
      const started = coronet(...args);
      expect(await started.exit).toEqual({ code: 0, signal: null });
      expect(started.stdout).toMatch(/^Examples:/);
      expect(started.stderr).toBe('');
    }
  });

  it('prints its version', async () => {
    const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
    const started = coronet('--version');
    await started.exit;
    expect(started.stdout).toBe(`${(JSON.parse(text) as { version: string }).version}\n`);
  });
});

describe('coronet doctor', () => {
  endProcesses();

  it('prints the selected backend and the reason', async () => {
    const started = coronet('doctor');
    expect(await started.exit).toEqual({ code: 0, signal: null });
    const backend = realBackends[0]?.name ?? '';
    expect(started.stdout).toMatch(new RegExp(`^backend +${backend} \\(.+\\)$`, 'm'));
    expect(started.stdout).toContain(process.versions.node);
    expect(started.stdout).toMatch(/^TLS +(native|node) \(.+\)$/m);
  });

  it('prints the same as JSON', async () => {
    const started = coronet('doctor', '--json');
    expect(await started.exit).toEqual({ code: 0, signal: null });
    expect(JSON.parse(started.stdout)).toMatchObject({
      node: process.versions.node,
      backend: realBackends[0]?.name,
      reason: expect.stringMatching(/./),
      tls: expect.stringMatching(/^native$|^node$/),
      tlsReason: expect.stringMatching(/./),
    });
  });
});

/**
 * Expects exit code `code`, one line on standard error that contains `words`, and no other output.
 */
async function expectError(started: Process, code: number, words: string[]): Promise<void> {
  expect(await started.exit).toEqual({ code, signal: null });
  expect(started.stderr).toMatch(/^[^\n]+\n$/);
  for (const word of words) expect(started.stderr).toContain(word);
  expect(started.stdout).toBe('');
}

/** The superuser drops the privilege for low ports. Other users do not have it. */
function withoutPrivilege(args: readonly string[]): Process {
  if (process.geteuid?.() !== 0) return coronet(...args);
  const drop = ['--bounding-set=-net_bind_service', '--inh-caps=-net_bind_service'];
  const canDrop = spawnSync('setpriv', [...drop, 'true']).status === 0;
  if (!canDrop) throw new Error('As the superuser this test needs setpriv (util-linux)');
  return new Started('setpriv', [...drop, process.execPath, main, ...args]);
}
