// One server with its load, and the rounds of a cell.
//
// All servers of a cell run at the same time, each with its own load, but only one is active. A
// round asks the server for its usage, lets the load run and drain, and asks again.

import { Candidate, compare, measureUsage, startProcess } from '../lib/comparison.mjs';

export async function startServer(spec, place) {
  const { process, first } = await startProcess(spec.name, place.server, spec.command);
  return { server: process, port: first.port };
}

/** A load with open connections and one echo on each. */
export async function startLoad({ load, place, port, connections, size = 64, depth = 1 }) {
  const command = [...load.command, port, connections, size, depth, ...load.tail];
  return (await startProcess('load', place.load, command, 30_000)).process;
}

class Server extends Candidate {
  constructor(spec, cell, env) {
    super(spec);
    this.cell = cell;
    this.env = env;
  }

  async start() {
    const { spec, cell, env } = this;
    const { server, port } = await startServer(spec, env.place);
    this.server = server;
    if (env.background > 0) {
      this.idle = await startLoad({ ...env, port, connections: env.background });
    }
    this.load = await startLoad({ ...env, port, ...cell });
    await this.load.ask(`check ${env.warmMs / 2}`, 30_000);
    await this.load.ask(`run ${env.warmMs / 2}`, 30_000);
  }

  async stop() {
    for (const process of [this.load, this.idle, this.server]) await process?.stop();
    this.load = this.idle = this.server = undefined;
  }

  async round() {
    const ms = this.env.seconds * 1000;
    return summary(await measureUsage(this.server, () => this.load.ask(`run ${ms}`, ms + 20_000)));
  }
}

/** Per message. */
function summary({ load, user, sys, ...neighbours }) {
  const { messages } = load;
  const wall = load.ns / 1000 / messages;
  const total = (user + sys) / messages;
  return {
    rate: 1e6 / wall,
    user: user / messages,
    sys: sys / messages,
    total,
    busy: total / wall,
    loadCpu: (load.user + load.sys) / messages,
    ...neighbours,
  };
}

/** All rounds of one cell, [{ name, rounds, failed? }], in the order of `specs`. */
export function measureCell(cell, specs, env) {
  return compare(
    specs.map((spec) => new Server(spec, cell, env)),
    env,
  );
}
