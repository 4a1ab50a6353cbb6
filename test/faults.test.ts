/** The fault scenarios of test/faults with small parameters. `npm run soak` runs the large ones. */
import { describe, it } from 'vitest';
import { realBackends } from './support/backends.ts';

interface Scenario {
  readonly title: string;
  readonly short: object;
  run(options: object): Promise<unknown>;
}

interface Scenarios {
  readonly scenarios: readonly Scenario[];
  skipReason(scenario: Scenario, backend: string): string | undefined;
}

const { href } = new URL('faults/scenarios.mjs', import.meta.url);
const { scenarios, skipReason } = (await import(href)) as Scenarios;

for (const { name: backend } of realBackends) {
  describe(`with injected faults, a server on ${backend}`, () => {
    for (const scenario of scenarios) {
      const reason = skipReason(scenario, backend);
      const title = reason === undefined ? scenario.title : `${scenario.title} (${reason})`;
      it.skipIf(reason !== undefined)(title, { timeout: 90_000 }, async () => {
        await scenario.run({ ...scenario.short, backend });
      });
    }
  });
}
