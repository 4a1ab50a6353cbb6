import type { RunOptions } from '../../src/index.ts';
import { run, timeout } from '../../src/index.ts';
import type { OperationSource } from '../../src/kernel/operation.ts';
import type { Capabilities, Network, NetworkCounters, NetworkOwner } from '../../src/lowlevel.ts';
import { epollNetwork, portableNetwork } from '../../src/lowlevel.ts';
import { loadAddon } from '../../src/node/addon.ts';

export interface TestWorld {
  readonly name: string;
  /** True: the operating system's own network, so other processes can take part. */
  readonly real: boolean;
  /** What its networks can and cannot do. */
  readonly capabilities: Capabilities;
  /** Runs a program in this world. One that hangs fails with what it waits for. */
  run<T>(op: OperationSource<T>, options?: RunOptions): Promise<T>;
  /** What the network of the last run holds. */
  counters(): NetworkCounters;
  /** What lies beneath the network and must be zero when no network is open. */
  residue(): Readonly<Record<string, number>>;
}

/**
 * Less than vitest grants a test, so that a program that hangs is closed and does not harm the
 * next.
 */
const LIMIT_MS = 27_000;

type MakeNetwork = (owner: NetworkOwner) => Network;

function realWorld(
  name: string,
  make: MakeNetwork,
  residue: TestWorld['residue'] = () => ({}),
): TestWorld {
  let last: Network | undefined;
  const network: MakeNetwork = (owner) => {
    last = make(owner);
    return last;
  };
  return {
    name,
    real: true,
    capabilities: capabilitiesOf(make),
    run: (op, options) => run(timeout(LIMIT_MS, op), { ...options, network }),
    counters: () => last?.counters() ?? { transports: 0, listeners: 0, datagrams: 0, slabs: 0 },
    residue,
  };
}

function capabilitiesOf(make: MakeNetwork): Capabilities {
  const network = make({ deliver: (deliver) => deliver() });
  network.close();
  return network.capabilities;
}

const { addon, reason } = loadAddon();

/** Why the suite does not run on epoll; `undefined` where it does. */
export const withoutEpoll: string | undefined = addon === undefined ? reason : undefined;

const epollWorlds: readonly TestWorld[] =
  addon === undefined ? [] : [realWorld('epoll', epollNetwork, () => ({ ...addon.stats() }))];

export const worlds: readonly TestWorld[] = [
  ...epollWorlds,
  realWorld('portable', (owner) => portableNetwork(owner)),
];
