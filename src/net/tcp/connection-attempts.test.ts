import { describe, expect, it } from 'vitest';
import { play, VirtualHost } from '../../../test/support/kernel/virtual-host.ts';
import { now } from '../../kernel/current.ts';
import type { Operation } from '../../kernel/operation.ts';
import { Readiness } from '../../kernel/readiness.ts';
import { isCancelled } from '../../kernel/scope/cancelled.ts';
import { moveOnAfter } from '../../kernel/scope/with-scope.ts';
import { group } from '../../kernel/task/group.ts';
import { sleep } from '../../kernel/waits.ts';
import { SystemError } from '../../support/system-error.ts';
import type { Endpoint, Network, TransportConnectOptions } from '../../world/network.ts';
import { ConnectError, connect } from './connect.ts';
import { ConnectionAttempts } from './connection-attempts.ts';

/** The outcome of an attempt: a connection or an error after a number of milliseconds. */
type Outcome = { readonly after: number; readonly error?: string } | 'fails at once' | 'no answer';

class FakeTransport extends Readiness {
  readonly outcome: Exclude<Outcome, 'fails at once'>;
  readonly to: Endpoint;
  readonly started: number;
  closed = false;

  constructor(to: Endpoint, outcome: Exclude<Outcome, 'fails at once'>) {
    super();
    this.to = to;
    this.outcome = outcome;
    this.started = now();
  }

  tryConnect(): boolean {
    const { outcome } = this;
    if (outcome === 'no answer' || now() < this.started + outcome.after) {
      this.canSend = false;
      return false;
    }
    if (outcome.error !== undefined) throw failed(outcome.error, this.to);
    return true;
  }

  close(): void {
    this.closed = true;
  }
}

function failed(code: string, to: Endpoint): SystemError {
  return new SystemError(code, -1, 'connect', to);
}

/** A network with a scripted outcome for each address. */
class FakeNetwork {
  readonly started: FakeTransport[] = [];
  readonly #outcomes: Readonly<Record<string, Outcome>>;

  constructor(outcomes: Readonly<Record<string, Outcome>>) {
    this.#outcomes = outcomes;
  }

  connect(to: Endpoint): FakeTransport {
    const { host } = to as { host: string };
    const outcome = this.#outcomes[host] ?? 'no answer';
    if (outcome === 'fails at once') throw failed('ENETUNREACH', to);
    const transport = new FakeTransport(to, outcome);
    this.started.push(transport);
    return transport;
  }

  resolve(_name: string, done: (error: unknown, hosts: readonly object[]) => void): () => void {
    const hosts = Object.keys(this.#outcomes);
    done(
      undefined,
      hosts.map((host) => ({ host, family: host.includes(':') ? 6 : 4 })),
    );
    return () => {};
  }

  /** The start time of each attempt, in milliseconds. */
  get times(): [string, number][] {
    return this.started.map(({ to, started }) => [(to as { host: string }).host, started]);
  }

  /** Attempts that hold a descriptor. */
  get open(): string[] {
    return this.started.filter(({ closed }) => !closed).map(({ to }) => (to as Host).host);
  }
}

interface Host {
  readonly host: string;
}

function endpoints(hosts: readonly string[]): Endpoint[] {
  return hosts.map((host) => ({ host, port: 80, family: host.includes(':') ? 6 : 4 }));
}

/** Runs `body` while the network notifies every transport each millisecond. */
function* withNetwork<T>(network: FakeNetwork, body: () => Operation<T>): Operation<T> {
  return yield* group(function* (tasks): Operation<T> {
    tasks.spawn(
      function* (): Operation<void> {
        for (;;) {
          yield* sleep(1);
          for (const transport of network.started) transport.notifySend();
        }
      },
      { daemon: true },
    );
    return yield* body();
  });
}

interface Race {
  readonly winner: string | undefined;
  readonly attempts: ConnectionAttempts;
  readonly network: FakeNetwork;
  readonly time: number;
}

function race(
  outcomes: Readonly<Record<string, Outcome>>,
  options: TransportConnectOptions = {},
): Race {
  const network = new FakeNetwork(outcomes);
  const attempts = new ConnectionAttempts(network as unknown as Network, options);
  return play(() =>
    withNetwork(network, function* (): Operation<Race> {
      const winner = yield* attempts.race(endpoints(Object.keys(outcomes)));
      const host = (winner as unknown as FakeTransport | undefined)?.to as Host | undefined;
      return { winner: host?.host, attempts, network, time: now() };
    }),
  );
}

function codes({ attempts }: Race): (string | undefined)[] {
  return attempts.tried.map(({ error }) => (error as SystemError | undefined)?.code);
}

describe('connecting to the addresses of a name (RFC 8305)', () => {
  it('no second attempt starts if the first address connects in time', () => {
    const { winner, network, time } = race({ '::1': { after: 5 }, '127.0.0.1': { after: 1 } });
    expect([winner, time, network.started.length]).toEqual(['::1', 5, 1]);
  });

  it('the next attempt starts after 250 ms, and the first connection is returned', () => {
    const { winner, network, time } = race({ '::1': 'no answer', '127.0.0.1': { after: 20 } });
    expect([winner, time]).toEqual(['127.0.0.1', 270]);
    expect(network.times).toEqual([
      ['::1', 0],
      ['127.0.0.1', 250],
    ]);
  });

  it('an early attempt that connects late is returned', () => {
    const { winner, time } = race({ '::1': { after: 300 }, '127.0.0.1': { after: 100 } });
    expect([winner, time]).toEqual(['::1', 300]);
  });

  it('the other attempts are closed and the winner is not', () => {
    const { network } = race({ '::1': 'no answer', '10.0.0.1': 'no answer', '::2': { after: 1 } });
    expect(network.started.length).toBe(3);
    expect(network.open).toEqual(['::2']);
  });

  it('a failure starts the next attempt at once', () => {
    const outcomes = { '::1': { after: 10, error: 'ECONNREFUSED' }, '127.0.0.1': { after: 5 } };
    const result = race(outcomes);
    expect([result.winner, result.time]).toEqual(['127.0.0.1', 15]);
    expect(codes(result)).toEqual(['ECONNREFUSED', undefined]);
    expect(result.network.open).toEqual(['127.0.0.1']);
  });

  it('an unreachable address costs no time', () => {
    const { winner, time } = race({ '::1': 'fails at once', '127.0.0.1': { after: 5 } });
    expect([winner, time]).toEqual(['127.0.0.1', 5]);
  });

  it("address families alternate, starting with the resolver's first one", () => {
    const hosts = ['::1', '::2', '::3', '10.0.0.1', '10.0.0.2'];
    const outcomes = Object.fromEntries(hosts.map((host) => [host, 'fails at once' as Outcome]));
    const { attempts } = race(outcomes);
    const order = attempts.tried.map(({ to }) => (to as Host).host);
    expect(order).toEqual(['::1', '10.0.0.1', '::2', '10.0.0.2', '::3']);
  });

  it('a duplicate address is tried once', () => {
    const network = new FakeNetwork({ '::1': { after: 1, error: 'ECONNREFUSED' } });
    const attempts = new ConnectionAttempts(network as unknown as Network, {});
    const twice = endpoints(['::1', '::1']);
    expect(play(() => withNetwork(network, () => attempts.race(twice)))).toBe(undefined);
    expect(attempts.tried.length).toBe(1);
  });

  it('a fixed local port permits one pending attempt at a time', () => {
    const localAddress = { host: '127.0.0.1', port: 4000, family: 4 } as const;
    const outcomes = {
      '10.0.0.1': { after: 900, error: 'EHOSTUNREACH' },
      '10.0.0.2': { after: 1 },
    };
    const { winner, network } = race(outcomes, { localAddress });
    expect([winner, network.times]).toEqual([
      '10.0.0.2',
      [
        ['10.0.0.1', 0],
        ['10.0.0.2', 900],
      ],
    ]);
  });

  it('at most eight attempts are pending', () => {
    const hosts = Array.from({ length: 12 }, (_, i) => `10.0.0.${i}`);
    const outcomes = Object.fromEntries(hosts.map((host) => [host, 'no answer' as Outcome]));
    const network = new FakeNetwork(outcomes);
    const attempts = new ConnectionAttempts(network as unknown as Network, {});
    const raced = () => attempts.race(endpoints(hosts));
    play(() => withNetwork(network, () => moveOnAfter(10_000, raced)));
    expect(network.started.length).toBe(8);
    expect(network.open).toEqual([]);
  });

  it('a cancelled race leaves nothing open', () => {
    const network = new FakeNetwork({});
    const attempts = new ConnectionAttempts(network as unknown as Network, {});
    const raced = () => attempts.race(endpoints(['::1', '::2', '::3']));
    play(() => withNetwork(network, () => moveOnAfter(600, raced)));
    expect([network.started.length, network.open]).toEqual([3, []]);
  });
});

describe('connect to a name with several addresses', () => {
  function connecting(outcomes: Readonly<Record<string, Outcome>>, timeoutMs = Infinity): unknown {
    const network = new FakeNetwork(outcomes);
    const host = new VirtualHost();
    Object.assign(host.scheduler, { world: { network } });
    return host.play(() =>
      withNetwork(network, function* (): Operation<unknown> {
        try {
          return yield* connect('example.test:80', { timeoutMs });
        } catch (error) {
          if (isCancelled(error)) throw error;
          expect(network.open).toEqual([]);
          return error;
        }
      }),
    );
  }

  it('connect lists every address with its error when all attempts fail', () => {
    const error = connecting({
      '::1': { after: 1, error: 'ECONNREFUSED' },
      '10.0.0.1': { after: 2, error: 'EHOSTUNREACH' },
    });
    expect(error).toBeInstanceOf(ConnectError);
    expect(error).toMatchObject({
      code: 'ECONNREFUSED',
      syscall: 'connect',
      address: '::1',
      port: 80,
      message:
        'connect ECONNREFUSED example.test:80: [::1]:80 ECONNREFUSED, 10.0.0.1:80 EHOSTUNREACH',
      errors: [{ code: 'ECONNREFUSED' }, { code: 'EHOSTUNREACH' }],
    });
  });

  it('connect throws the error of the only address unchanged', () => {
    const error = connecting({ '10.0.0.1': { after: 2, error: 'EHOSTUNREACH' } });
    expect(error).toMatchObject({ message: 'connect EHOSTUNREACH 10.0.0.1:80' });
  });

  it('connect lists the attempts and their state in its timeout error', () => {
    const error = connecting(
      { '::1': { after: 1, error: 'ECONNREFUSED' }, '10.0.0.1': 'no answer' },
      900,
    );
    expect(error).toMatchObject({
      code: 'ERR_TIMEOUT',
      limitMs: 900,
      waitedFor: 'a connection to example.test:80 ([::1]:80 ECONNREFUSED, 10.0.0.1:80 no answer)',
    });
  });
});
