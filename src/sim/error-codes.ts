/** The simulator's part of the catalogue of error codes; see support/error-catalogue.ts. */
import type { Catalogue } from '../support/error-catalogue.ts';

export const SIM_ERRORS: Catalogue = {
  ERR_INVARIANT: {
    className: 'InvariantError',
    sentence:
      'The predicate of a `world.always` returned false or threw after a step, or that of a ' +
      '`world.eventually` did not become true in time.',
    cause:
      'The program violates the invariant, or a task waits indefinitely. The time of ' +
      '`eventually` counts from the call, or from the end of the last fault, whichever is later.',
    remedy:
      'Replay the seed in the message and follow the events of the chart to the failing step; or ' +
      'raise `withinMs`.',
  },
  ERR_NOT_DETERMINISTIC: {
    className: 'NotDeterministicError',
    sentence: 'Two runs of a simulation with the same seed differ.',
    cause:
      'The simulation uses Date.now, Math.random, timers or promises of the real process, or ' +
      'state in a module that survives from one run to the next.',
    remedy:
      'Use `now()`, `sleep` and `world.random()`, and create all state inside the scenario. The ' +
      'message shows the first event that differs.',
  },
  ERR_NO_TEST_RUNNER: {
    className: 'UsageError',
    sentence: '`simulateTest` was called without a test runner.',
    cause: 'The runner has no globals: node:test never has, vitest only if they are enabled.',
    remedy: "Pass it: `simulateTest(name, scenario, { test })`, with `test` from 'vitest'.",
  },
  ERR_NOT_UNWOUND: {
    className: 'SimulationLimitError',
    sentence: 'The scenario returned, its hosts were cancelled, and a host did not end.',
    cause: 'A `finally` waits for a peer that no longer exists, or a task catches Cancelled.',
    remedy: 'The message lists the tasks. Limit the cleanup: `shield(op, { withinMs })`.',
  },
  ERR_REPLAY_TOKEN: {
    className: 'ReplayTokenError',
    sentence: 'A text is not a valid replay token.',
    cause: 'The token is incomplete, or it is from another version of Coronet.',
    remedy: 'Copy the whole token, or find the failure again: `coronet sim FILE --seed N`.',
  },
  ERR_SIMULATION: {
    className: 'SimulationError',
    sentence: 'A run of a simulation failed.',
    cause: 'See `.error`: the error of a program, a deadlock, an invariant, or a limit.',
    remedy: 'Run it again with the seed in the message: the same events happen again.',
  },
  ERR_SIMULATION_LIMIT: {
    className: 'SimulationLimitError',
    sentence: 'A run exceeded `maxSteps` or `maxVirtualMs`.',
    cause: 'A loop never waits, or a scenario waits for an event that does not happen.',
    remedy: 'The message lists what each task waits for. Raise `maxSteps` or `maxVirtualMs`.',
  },
};
