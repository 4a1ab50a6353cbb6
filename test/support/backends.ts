import type { RunOptions } from '../../src/index.ts';
import { run, timeout } from '../../src/index.ts';
import type { OperationSource } from '../../src/kernel/operation.ts';
import type { Capabilities, Network, NetworkCounters, NetworkOwner } from '../../src/lowlevel.ts';
import { epollNetwork, portableNetwork } from '../../src/lowlevel.ts';
import type { Addon } from '../../src/node/addon.ts';
import { loadAddon } from '../../src/node/addon.ts';
import { epollNetworkWith } from '../../src/node/epoll/network.ts';
import type { TlsEngine } from '../../src/node/epoll/tls/engine.ts';
import { decideTls } from '../../src/node/epoll/tls/engine.ts';
import { nodeProcess } from '../../src/node/simulation-support.ts';
import { CAPABILITIES as SIM_CAPABILITIES } from '../../src/sim/network/network.ts';
import { SimulatedNetwork } from '../../src/sim/network/simulated-network.ts';
import type { ProgramOptions } from '../../src/sim/run-program.ts';
import { makeRunSimulated } from '../../src/sim/run-program.ts';

/** A backend on which the conformance tests run: epoll, portable or the simulator. */
export interface TestBackend {
  readonly name: string;
  /**
   * True for the network of the operating system: other processes can connect, Unix sockets are
   * files with permissions, and warnings appear on standard error.
   */
  readonly real: boolean;
  readonly capabilities: Capabilities;
  /** Runs a program. A program that hangs fails with a list of its waiting tasks. */
  run<T>(op: OperationSource<T>, options?: RunOptions): Promise<T>;
  /** The open resources of the network of the last run. */
  counters(): NetworkCounters;
  /** Counters of the layer below the network. All are zero when no network is open. */
  residue(): Readonly<Record<string, number>>;
}

/** Less than the time limit of a test, so that a program that hangs is closed before the next. */
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

/** The reason why the epoll backend is not available; `undefined` if it is. */
export const withoutEpoll: string | undefined = addon === undefined ? reason : undefined;

const epollBackends: readonly TestBackend[] =
  addon === undefined ? [] : [realBackend('epoll', epollNetwork, () => ({ ...addon.stats() }))];

/** The epoll backend with each engine of TLS that is available. */
const epollTlsBackends: readonly TestBackend[] =
  addon === undefined ? [] : tlsEngines(addon).map((engine) => epollWithTls(addon, engine));

function tlsEngines(from: Addon): readonly TlsEngine[] {
  const { engine } = decideTls(from);
  return engine === 'native' ? ['native', 'node'] : ['node'];
}

function epollWithTls(from: Addon, engine: TlsEngine): TestBackend {
  const make: MakeNetwork = (owner) => epollNetworkWith(owner, engine);
  return realBackend(`epoll with ${engine} TLS`, make, () => ({ ...from.stats() }));
}

/** Options of the simulator as JSON, to run the tests with another task order or with faults. */
const CONDITIONS = JSON.parse(process.env['CORONET_TEST_SIM'] ?? '{}') as ProgramOptions;

/** A program runs on one simulated host, with virtual time. */
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

/** The backends that the option `backend` can name. */
export const realBackends: readonly TestBackend[] = backends.filter(({ real }) => real);

/** The backends that support TLS, with each of its engines. */
export const backendsWithTls: readonly TestBackend[] = [
  ...epollTlsBackends,
  ...backends.filter(({ name, capabilities }) => name !== 'epoll' && capabilities.tls),
].filter(({ capabilities }) => capabilities.tls);
