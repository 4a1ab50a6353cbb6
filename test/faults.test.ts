/** Servers under fire (test/fire), in sizes that a few seconds are enough for. */
import { describe, it } from 'vitest';
import { realBackends } from './support/backends.ts';

interface Scenario {
  readonly name: string;
  readonly short: object;
  play(options: object): Promise<unknown>;
}

interface List {
  readonly scenarios: readonly Scenario[];
  /** Why it cannot be played here. */
  whyNot(scenario: Scenario, backend: string): string | undefined;
}

const { href } = new URL('faults/scenarios.mjs', import.meta.url);
const { scenarios, whyNot } = (await import(href)) as List;

/** What the server does in each scenario, as a sentence. */
const SENTENCES: Readonly<Record<string, string>> = {
  slowloris: 'ends clients that send a byte a second, or none, and serves the others',
  abandoned: 'keeps nothing of connections that are abandoned half-way',
  'never-read': 'holds no more for clients that never read than the system does, and ends them',
  offsets: 'stands clients that end at any byte of an exchange',
  descriptors: 'recovers when no descriptor was left, and did not spin meanwhile',
  'short-connections': 'holds no more after thousands of connections than after hundreds',
  sigterm: 'answers every question that it has read, to the last byte, when it is told to end',
  'worker-kill': 'loses nothing of other workers, and refuses nobody, when a worker is killed',
  injected: 'lives through system calls that fail',
};

for (const { name: backend } of realBackends) {
  describe(`under fire, a server on ${backend}`, () => {
    for (const scenario of scenarios) {
      const reason = whyNot(scenario, backend);
      const sentence = SENTENCES[scenario.name] ?? scenario.name;
      const title = reason === undefined ? sentence : `${sentence} (${reason})`;
      it.skipIf(reason !== undefined)(title, { timeout: 90_000 }, async () => {
        await scenario.play({ ...scenario.short, backend });
      });
    }
  });
}
