import { afterEach, describe, expect, it } from 'vitest';
import { realBackends } from '../support/backends.ts';
import { client, PlainClient, startEcho } from '../support/process/coronet-command.ts';
import { endProcesses } from '../support/process/process.ts';

const CLIENTS = [
  client('nc', (port) => ['127.0.0.1', `${port}`]),
  client('telnet', (port) => ['127.0.0.1', `${port}`]),
  client('socat', (port) => ['-', `TCP:127.0.0.1:${port}`]),
];

const open: PlainClient[] = [];

function plainClient(port: number, host?: string): PlainClient {
  const made = new PlainClient(port, host);
  open.push(made);
  return made;
}

for (const { name: backend } of realBackends) {
  describe(`coronet echo on ${backend}`, () => {
    endProcesses();
    afterEach(() => {
      for (const { socket } of open.splice(0)) socket.destroy();
    });

    for (const { name, start } of CLIENTS) {
      it(`replies GOT:Hello to the Hello of ${name}`, async () => {
        const echo = await startEcho('--backend', backend);
        const person = start(echo.port);
        person.child.stdin?.write('Hello\n');
        await person.until('the answer is there', () => person.stdout.includes('GOT:Hello\n'));
        person.child.stdin?.write('again\n');
        await person.until('the second one is', () => person.stdout.includes('GOT:again\n'));
        person.child.kill('SIGTERM');
        await echo.process.until('it is over', () => echo.process.lines.includes('Task done'));
      });
    }

    it('prints each connection, its end, and the end of its task', async () => {
      const echo = await startEcho('--backend', backend);
      const one = plainClient(echo.port);
      await one.connected();
      const name = `127.0.0.1:${one.socket.localPort}`;
      expect(await one.ask('Hello')).toBe(true);
      one.socket.end();
      await echo.process.until('it is over', () => echo.process.lines.length === 3);
      const expected = [`Connection from ${name}`, `Connection closed ${name}`, 'Task done'];
      expect(echo.process.lines).toEqual(expected);
      expect(echo.process.stderr).toBe('');
    });

    it('replies byte for byte, also to binary data', async () => {
      const echo = await startEcho('--backend', backend);
      const one = plainClient(echo.port);
      one.socket.setEncoding('latin1');
      const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 256));
      one.socket.write(bytes);
      await one.until(() => one.received.length === 1004);
      expect(one.received).toBe(`GOT:${bytes.toString('latin1')}`);
    });

    it('serves a thousand clients at once', async () => {
      const echo = await startEcho('--backend', backend, '--quiet');
      const crowd = Array.from({ length: 1000 }, () => plainClient(echo.port));
      await Promise.all(crowd.map((each) => each.connected()));
      const answers = await Promise.all(crowd.map((each, i) => each.ask(`Hello from client ${i}`)));
      expect(answers.filter((answered) => !answered)).toEqual([]);
      const again = await Promise.all(crowd.map((each, i) => each.ask(`and again ${i}`)));
      expect(again.filter((answered) => !answered)).toEqual([]);
    });

    it('continues after a client is killed, and after a reset', async () => {
      const echo = await startEcho('--backend', backend);
      const killed = CLIENTS[0]?.start(echo.port);
      killed?.child.stdin?.write('Hello\n');
      await killed?.until('the answer is there', () => killed.stdout.includes('GOT:Hello'));
      killed?.child.kill('SIGKILL');
      const reset = plainClient(echo.port);
      expect(await reset.ask('Hello')).toBe(true);
      reset.socket.resetAndDestroy();
      await echo.process.until('both are over', () => echo.process.lines.length === 6);
      expect(await plainClient(echo.port).ask('still there?')).toBe(true);
      expect(echo.process.stderr).toBe('');
    });

    it('--quiet prints nothing', async () => {
      const echo = await startEcho('--backend', backend, '--quiet');
      const one = plainClient(echo.port);
      expect(await one.ask('Hello')).toBe(true);
      one.socket.end();
      await one.until(() => one.socket.closed);
      expect([echo.process.stdout, echo.process.stderr]).toEqual(['', '']);
    });

    it('--host selects the address to listen on', async () => {
      const echo = await startEcho('--backend', backend, '--host', '::');
      expect(await plainClient(echo.port, '::1').ask('over IPv6')).toBe(true);
      await echo.process.until('it prints a line', () => echo.process.lines.length > 0);
      expect(echo.process.lines[0]).toMatch(/^Connection from \[::1\]:\d+$/);
    });
  });
}
