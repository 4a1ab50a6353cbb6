import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { Readiness } from '../kernel/readiness.ts';
import type { Endpoint, ListenerTransport, Transport } from '../world/network.ts';
import { TlsLayer } from './tls-layer.ts';
import { makeServer, TlsListener } from './tls-listener.ts';

const HERE: Endpoint = { host: '127.0.0.1', port: 1, family: 4 };

function pem(name: string): string {
  return readFileSync(new URL(`../../test/tls/server.${name}.pem`, import.meta.url), 'utf8');
}

const OWN = { cert: pem('cert'), key: pem('key') };

/** A listener that gives what it is told to give. */
class FakeListener extends Readiness implements ListenerTransport {
  readonly local = HERE;
  readonly answers: (Transport | Error)[] = [];
  closed = false;

  tryListen(): boolean {
    return true;
  }

  tryAccept(): Transport | undefined {
    const answer = this.answers.shift();
    if (answer instanceof Error) throw answer;
    this.canRecv = this.answers.length > 0;
    return answer;
  }

  close(): void {
    this.closed = true;
    this.refuseWaiters(new Error('closed'));
  }

  /** Something has come in. */
  bring(...answers: (Transport | Error)[]): void {
    this.answers.push(...answers);
    this.grantRecv();
  }
}

/** A connection on which nothing ever comes. */
class SilentTransport extends Readiness {
  readonly local = HERE;
  readonly remote = HERE;
  ended: 'close' | 'reset' | undefined = undefined;

  tryRecv(): undefined {
    return undefined;
  }

  trySendv(): number {
    return 0;
  }

  shutdown(): void {}

  close(): void {
    this.ended ??= 'close';
  }

  reset(): void {
    this.ended ??= 'reset';
  }
}

function silent(): SilentTransport & Transport {
  return new SilentTransport() as unknown as SilentTransport & Transport;
}

const open: TlsListener[] = [];

afterEach(() => {
  for (const listener of open.splice(0)) listener.close();
});

function listenerOver(raw: FakeListener, most = 2): TlsListener {
  const listener = new TlsListener(
    raw,
    makeServer({ ...OWN, maxHandshakes: most }),
    new TlsLayer(),
  );
  open.push(listener);
  return listener;
}

describe('a TLS listener over a listener that runs short', () => {
  test('throws the shortage, and goes on when it is over', () => {
    const raw = new FakeListener();
    const listener = listenerOver(raw);
    raw.bring(Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }), silent());
    expect(() => listener.tryAccept()).toThrow('EMFILE');
    expect(listener.canRecv).toBe(true);
    expect(listener.tryAccept()).toBeUndefined();
    expect(listener.handshakes().underWay).toBe(1);
  });

  test('waits for it only while nothing is there', () => {
    const raw = new FakeListener();
    const listener = listenerOver(raw);
    expect(listener.tryAccept()).toBeUndefined();
    expect(listener.canRecv).toBe(false);
    expect(raw.recvWaiter).toBe(listener);
    raw.bring(silent());
    expect(listener.canRecv).toBe(true);
  });

  test('takes no more than it may, and the next when one has failed', async () => {
    const raw = new FakeListener();
    const listener = listenerOver(raw, 1);
    const [first, second] = [silent(), silent()];
    raw.bring(first, second);
    expect(listener.tryAccept()).toBeUndefined();
    expect([raw.answers.length, listener.canRecv]).toEqual([1, false]);
    first.tryRecv = () => {
      throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
    };
    first.grantRecv();
    await expect.poll(() => listener.handshakes().failed, { interval: 1 }).toBe(1);
    expect(listener.canRecv).toBe(true);
    expect(listener.tryAccept()).toBeUndefined();
    expect(raw.answers.length).toBe(0);
  });

  test('closing resets what is under way', () => {
    const raw = new FakeListener();
    const listener = listenerOver(raw);
    const connection = silent();
    raw.bring(connection);
    listener.tryAccept();
    listener.close();
    expect([raw.closed, connection.ended]).toEqual([true, 'reset']);
    expect(() => listener.tryAccept()).toThrow(/closed here/);
  });

  test('finishing closes the door at once, and itself behind the last handshake', () => {
    const raw = new FakeListener();
    const listener = listenerOver(raw);
    raw.bring(silent());
    listener.tryAccept();
    listener.finish();
    expect(raw.closed).toBe(true);
    expect(listener.tryAccept()).toBeUndefined();
    listener.close();
    const empty = listenerOver(new FakeListener());
    empty.finish();
    expect(() => empty.tryAccept()).toThrow(/closed here/);
  });
});
