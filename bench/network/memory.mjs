// Memory per idle connection: the slope between two numbers of open connections, after one echo on
// each and a collection. Memory that a process needs once (code, pools, the reserve of the
// collector) is in both points and cancels out. The exception is V8's young generation, which grows
// in steps with what the program allocates, so it is a column of its own.

import { anonymousBytes, descriptorLimit } from '../lib/machine.mjs';
import { idle, startLoad, startServer } from './bench.mjs';

const FEW = 1000;
const SPARE = 200; // descriptors of the runtimes, and the reserve that a server keeps

/** The number of connections for the second point: `wanted`, or what the limit permits. */
export function idleConnections(wanted) {
  const limit = descriptorLimit() ?? 1024;
  return Math.max(0, Math.min(wanted, limit - FEW - SPARE));
}

async function point(server) {
  const { rss, heapUsed, external, young = 0 } = await server.ask('gc');
  const resident = (anonymousBytes(server.pid) ?? rss) - young;
  return { resident, young, heap: heapUsed && heapUsed + external };
}

async function measure(server, open, connections) {
  await open(FEW);
  const few = await point(server);
  await open(connections);
  const many = await point(server);
  return {
    resident: (many.resident - few.resident) / connections,
    young: (many.young - few.young) / connections,
    heap: many.heap && (many.heap - few.heap) / connections,
  };
}

async function once(spec, connections, env) {
  const { server, port } = await startServer(spec, env.place);
  const loads = [];
  const open = async (count) => {
    loads.push(await startLoad(env, port, idle(count)));
  };
  try {
    return await measure(server, open, connections);
  } finally {
    await server.stop();
    for (const load of loads) await load.stop();
  }
}

/** [{ name, rounds: [{ resident, young, heap? }], failed? }], bytes per connection. */
export async function measureMemory(connections, specs, env) {
  const results = specs.map((spec) => ({ spec, name: spec.name, rounds: [] }));
  for (let i = 0; i < env.memoryStarts; i++) {
    for (const result of results) {
      if (result.failed) continue;
      try {
        result.rounds.push(await once(result.spec, connections, env));
      } catch (error) {
        result.failed = error.message;
      }
    }
  }
  return results.map(({ name, rounds, failed }) => ({ name, rounds, failed }));
}
