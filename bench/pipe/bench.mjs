// One relay with its load, and the rounds of a cell.
//
// All relays of a cell are up at once, each with its own load, all quiet but the one whose turn it
// is. A round is: ask the relay for its usage, move the bytes, ask again.

import { begin, Contestant, charged, contest } from '../lib/comparison.mjs';

const ROUND_MS = 60_000;

class Relay extends Contestant {
  constructor(spec, { pairs }, env) {
    super(spec);
    this.pairs = pairs;
    this.env = env;
  }

  async start() {
    const { spec, pairs, env } = this;
    const { place, load } = env;
    const { process, said } = await begin(spec.name, place.server, spec.command);
    this.relay = process;
    const command = [...load.command, said.port, pairs, env.window, ...load.tail];
    this.load = (await begin('load', place.load, command, 30_000)).process;
    await this.move('check', env.warmBytes / 2);
    await this.move('run', env.warmBytes / 2);
  }

  async stop() {
    for (const process of [this.load, this.relay]) await process?.stop();
    this.load = this.relay = undefined;
  }

  /** `bytes` over all pairs together. */
  move(command, bytes) {
    const each = Math.max(1, Math.round(bytes / this.pairs));
    return this.load.ask(`${command} ${each}`, ROUND_MS);
  }

  async round() {
    return summary(await charged(this.relay, () => this.move('run', this.env.bytes)));
  }
}

/** CPU in ms per GB, which is ps per byte; the rate in GB/s. */
function summary({ load, user, sys, ...neighbours }) {
  const scale = 1e6 / load.bytes;
  return {
    rate: load.bytes / load.ns,
    user: user * scale,
    sys: sys * scale,
    total: (user + sys) * scale,
    busy: ((user + sys) * 1000) / load.ns,
    loadCpu: (load.user + load.sys) * scale,
    ...neighbours,
  };
}

/** All rounds of one cell: [{ name, rounds, failed? }], in the order of `specs`. */
export function measureCell(cell, specs, env) {
  return contest(
    specs.map((spec) => new Relay(spec, cell, env)),
    env,
  );
}
