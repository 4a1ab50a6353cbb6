/**
 * Hosts on the simulated network, stepped in the order of their names: for tests of the network
 * alone, without the simulator. Tasks run until none is ready; then time jumps to what comes next.
 */

import type { Listener, Operation, Socket } from '../../../src/index.ts';
import { connect, listen } from '../../../src/index.ts';
import type { SchedulerHost } from '../../../src/kernel/host.ts';
import type { OperationSource } from '../../../src/kernel/operation.ts';
import { Scheduler } from '../../../src/kernel/scheduler.ts';
import { isCancelled } from '../../../src/kernel/scope/cancelled.ts';
import { Timer, Timers } from '../../../src/kernel/timers.ts';
import { Decisions } from '../../../src/sim/choices/decisions.ts';
import type { Faults, Link, SimCore } from '../../../src/sim/core.ts';
import { SimulatedNetwork } from '../../../src/sim/network/simulated-network.ts';
import type { Network } from '../../../src/world/network.ts';

export interface TinyOptions {
  readonly link?: Link;
  readonly faults?: Faults;
  readonly seed?: number;
}

const ONE_MS: Link = { latencyMs: [1, 1] };

export class TinyWorld implements SimCore {
  now = 0;
  events = 0;
  readonly decisions: Decisions;
  readonly faults: Faults;
  readonly net: SimulatedNetwork;
  /** "send client server 12 bytes", one line for each event. */
  readonly log: string[] = [];
  readonly #timers = new Timers();
  readonly #hosts = new Map<string, TinyHost>();

  constructor(options: TinyOptions = {}) {
    const { link = ONE_MS, faults = {}, seed = 1 } = options;
    this.decisions = new Decisions(seed);
    this.faults = faults;
    this.net = new SimulatedNetwork(this, { link });
  }

  host(name: string, program: OperationSource<unknown>): TinyHost {
    const host = new TinyHost(this, this.net.addHost(name));
    this.#hosts.set(name, host);
    host.scheduler.start(program, name);
    return host;
  }

  /** The tasks of the host vanish. */
  crash(name: string): void {
    this.#hosts.delete(name);
    this.net.crash(name);
  }

  restart(name: string, program: OperationSource<unknown>): TinyHost {
    const host = new TinyHost(this, this.net.restart(name));
    this.#hosts.set(name, host);
    host.scheduler.start(program, name);
    return host;
  }

  /** Goes on until every program has ended, which they must, or until `until`. */
  run(until: number = Infinity): void {
    for (;;) {
      for (const host of [...this.#hosts.values()]) host.turns();
      const hosts = [...this.#hosts.values()];
      const next = Math.min(this.#timers.nextAt, ...hosts.map((host) => host.nextAt));
      const alive = hosts.some(({ scheduler }) => scheduler.live > 0);
      if (next > until || next === Infinity || !alive) break;
      this.now = Math.max(this.now, next);
      this.#fire();
    }
    if (until !== Infinity) this.now = Math.max(this.now, until);
    for (const host of this.#hosts.values()) host.mustHaveGoneWell(until === Infinity);
  }

  #fire(): void {
    for (let due = this.#timers.takeDue(this.now); due; due = this.#timers.takeDue(this.now)) {
      this.events++;
      due.target.expire(due);
    }
  }

  // ---- SimCore ----

  callAt(time: number, action: () => void): Timer {
    const timer = new Timer({ expire: action });
    this.#timers.arm(timer, time);
    return timer;
  }

  arm(timer: Timer, time: number): void {
    this.#timers.arm(timer, time);
  }

  disarm(timer: Timer): void {
    this.#timers.disarm(timer);
  }

  trace(...[kind, host, peer, , text]: Parameters<SimCore['trace']>): void {
    this.log.push([kind, host, peer, text()].filter(Boolean).join(' '));
  }

  /** How many events of a kind there were. */
  count(kind: string): number {
    return this.log.filter((line) => line.startsWith(`${kind} `)).length;
  }
}

export class TinyHost implements SchedulerHost {
  readonly network: Network;
  readonly scheduler: Scheduler;
  readonly #world: TinyWorld;

  constructor(world: TinyWorld, network: Network) {
    this.#world = world;
    this.network = network;
    const platform = { environment: () => undefined };
    this.scheduler = new Scheduler({ host: this, world: { network, platform } });
  }

  get nextAt(): number {
    return this.scheduler.nextTimerAt + (this.#world.now - this.scheduler.now());
  }

  now(): number {
    return this.#world.now;
  }

  wake(): void {}

  random(): number {
    return this.#world.decisions.between('program', 0, 1);
  }

  warn(problem: unknown): void {
    throw problem;
  }

  turns(): void {
    while (this.scheduler.turn() === 0);
  }

  mustHaveGoneWell(toTheEnd: boolean): void {
    const { main, live } = this.scheduler;
    if (main?.state === 'failed' && !isCancelled(main.outcome)) throw main.outcome;
    if (toTheEnd && live > 0) {
      throw new Error(`'${main?.name}' waits for ever: ${main?.waitingOn}`);
    }
  }
}

/** Runs `server` and `client` on hosts of their own, each with one end of a connection. */
export function between(
  world: TinyWorld,
  client: (socket: Socket) => Operation<unknown>,
  server: (socket: Socket, listener: Listener) => Operation<unknown>,
): void {
  world.host('server', function* (): Operation<void> {
    using listener = yield* listen(80);
    using socket = yield* listener.accept();
    yield* server(socket, listener);
  });
  world.host('client', function* (): Operation<void> {
    using socket = yield* connect('server:80');
    yield* client(socket);
  });
  world.run();
}
