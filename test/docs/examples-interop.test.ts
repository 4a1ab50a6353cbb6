/** The servers of examples/interop with independent clients. */
import { connectAsync } from 'mqtt';
import { describe, expect, test } from 'vitest';
import { endProcesses } from '../support/process/process.ts';
import {
  ExamplePrograms,
  exampleBackends,
  installed,
  output,
  outputBeforeEnd,
} from './example-programs.ts';

const examples = new ExamplePrograms('examples-interop', 'interop');

describe.each(exampleBackends)('a server of examples/interop on %s:', (backend) => {
  endProcesses();

  test('mqtt delivers messages between clients of mqtt', async () => {
    const port = await examples.startAtPort(backend, 'mqtt');
    const url = `mqtt://127.0.0.1:${port}`;
    const subscriber = await connectAsync(url);
    const publisher = await connectAsync(url);
    await subscriber.subscribeAsync('news/#', { qos: 1 });
    const received = new Promise((resolve) => {
      subscriber.on('message', (topic, payload) => resolve([topic, payload.length]));
    });
    await publisher.publishAsync('news/today', 'x'.repeat(200_000), { qos: 1 });
    expect(await received).toEqual(['news/today', 200_000]);
    await Promise.all([publisher.endAsync(), subscriber.endAsync()]);
  });

  test.skipIf(!installed('socat'))('async responds to socat', async () => {
    const port = await examples.startAtPort(backend, 'async');
    const lines = 'one\ntwo\n';
    expect(await output('socat', ['-t', '5', '-', `TCP:127.0.0.1:${port}`], lines)).toBe(
      'GOT:one\nGOT:two\n',
    );
  });

  test.skipIf(!installed('curl') || !installed('openssl') || !installed('socat'))(
    'shared-port responds to curl with and without TLS, to openssl and to lines',
    async () => {
      const [key, cert] = examples.makeCertificate('localhost');
      const port = await examples.startAtPort(backend, 'shared-port', key, cert);
      const plain = await output('curl', ['-sS', `http://127.0.0.1:${port}/plain`]);
      expect(plain).toBe('HTTP /plain\n');
      const secure = ['-sS', '--cacert', cert, `https://localhost:${port}/secure`];
      expect(await output('curl', secure)).toBe('HTTP /secure\n');
      const socat = ['-t', '5', '-', `TCP:127.0.0.1:${port}`];
      expect(await output('socat', socat, 'hello\n')).toBe('GOT:hello\n');
      const openssl = ['s_client', '-connect', `127.0.0.1:${port}`, '-quiet', '-no_ign_eof'];
      expect(await outputBeforeEnd('openssl', openssl, 'secret\n')).toContain('GOT:secret');
    },
  );
});
