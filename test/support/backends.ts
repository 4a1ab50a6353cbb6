import type { RunOptions } from '../../src/index.ts';
import { run, timeout } from '../../src/index.ts';
import type { OperationSource } from '../../src/kernel/operation.ts';
import type { Capabilities, Network, NetworkCounters, NetworkOwner } from '../../src/lowlevel.ts';
import { epollNetwork, portableNetwork } from '../../src/lowlevel.ts';
import { loadAddon } from '../../src/node/addon.ts';
import { nodeProcess } from '../../src/node/simulation-support.ts';
import { CAPABILITIES as SIM_CAPABILITIES } from '../../src/sim/network/network.ts';
import { SimulatedNetwork } from '../../src/sim/network/simulated-network.ts';
import type { ProgramOptions } from '../../src/sim/run-program.ts';
import { makeRunSimulated } from '../../src/sim/run-program.ts';

export interface TestBackend {
  readonly name: string;
  /**
   * True: the operating system's own network, so other processes can take part, the files of Unix
   * sockets lie on the disk, users have rights, and standard error is the process's. A simulated
   * host has nothing of that but what its network knows.
   */
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

function realBackend(
  name: string,
  make: MakeNetwork,
  residue: TestBackend['residue'] = () => ({}),
): TestBackend {
  let last: Network | undefined;
  const network: MakeNetwork = (owner) => {
    last = make(owner);
    return last;
  };
  return {
    name,
    real: true,
    capabilities: capabilitiesOf(make),
    run: (op, options) => run(timeout(LIMIT_MS, op), { ...options, backend: network }),
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

const epollBackends: readonly TestBackend[] =
  addon === undefined ? [] : [realBackend('epoll', epollNetwork, () => ({ ...addon.stats() }))];

/** Which schedule, and which faults: for runs of the suite under worse conditions. */
const CONDITIONS = JSON.parse(process.env['CORONET_TEST_SIM'] ?? '{}') as ProgramOptions;

/** One simulated host, on virtual time. */
function simulatedBackend(): TestBackend {
  let last: Network | undefined;
  const runSimulated = makeRunSimulated({
    realProcess: nodeProcess,
    makeNetwork: (core, defaults) => {
      const net = new SimulatedNetwork(core, defaults);
      const addHost = net.addHost.bind(net);
      net.addHost = (name) => {
        const network = addHost(name);
        last = network;
        return network;
      };
      return net;
    },
  });
  const emitWarning = (problem: unknown) => process.emitWarning(problem as Error);
  return {
    name: 'sim',
    real: false,
    capabilities: SIM_CAPABILITIES,
    run: (op, { hooks, signal, name } = {}) => {
      const options = Object.entries({ hooks, signal, name }).filter(([, value]) => value);
      return runSimulated(timeout(LIMIT_MS, op), {
        order: 'fifo',
        maxSteps: 10_000_000,
        warn: emitWarning,
        ...CONDITIONS,
        ...Object.fromEntries(options),
      });
    },
    counters: () => last?.counters() ?? { transports: 0, listeners: 0, datagrams: 0, slabs: 0 },
    residue: () => ({}),
  };
}

export const backends: readonly TestBackend[] = [
  ...epollBackends,
  realBackend('portable', (owner) => portableNetwork(owner)),
  simulatedBackend(),
];

/** Those of this machine: what `--backend` and the option `network` can name. */
export const realBackends: readonly TestBackend[] = backends.filter(({ real }) => real);

/** Those whose connections may be TLS. */
export const backendsWithTls: readonly TestBackend[] = backends.filter(
  ({ capabilities }) => capabilities.tls,
);
