/** The simulator's part of the catalogue of error codes; see support/error-catalogue.ts. */
import type { Catalogue } from '../support/error-catalogue.ts';

export const SIM_ERRORS: Catalogue = {
  ERR_ALWAYS: {
    className: 'InvariantError',
    sentence: 'A predicate given to `world.always` was false, or threw, after a step.',
    cause: 'The program broke what the test demands of it; the chart shows the last events.',
    remedy: 'Replay the seed that the message names, and follow the events to the step.',
  },
  ERR_EVENTUALLY: {
    className: 'InvariantError',
    sentence: 'A predicate given to `world.eventually` did not come true in its time.',
    cause:
      'Something waits for ever or gives up. The time counts from when the last fault was healed.',
    remedy: 'Look at what the tasks of the hosts wait for, or raise `withinMs`.',
  },
  ERR_NOT_DETERMINISTIC: {
    className: 'NotDeterministicError',
    sentence: 'Two runs of a simulation with the same seed went different ways.',
    cause:
      'Date.now, Math.random, timers or promises of the process inside the simulation, or state ' +
      'that is kept from one run to the next in a module.',
    remedy:
      'Use `now()`, `sleep` and `world.random()`, and make all state inside the scenario. The ' +
      'message shows the first event that differs.',
  },
  ERR_NO_TEST_RUNNER: {
    className: 'UsageError',
    sentence: '`simulateTest` was called where there is no global `test` or `it`.',
    cause: 'The runner has no globals: node:test never has, vitest unless they are turned on.',
    remedy: "Hand it over: `simulateTest(name, scenario, { test })`, with `test` from 'vitest'.",
  },
  ERR_NOT_UNWOUND: {
    className: 'SimulationLimitError',
    sentence: 'The scenario had returned, and a host that was cancelled then did not end.',
    cause: 'A `finally` that waits for somebody who is gone, or a task that catches Cancelled.',
    remedy: 'The message lists the tasks. Give cleanup a limit: `shield(op, { withinMs })`.',
  },
  ERR_REPLAY_TOKEN: {
    className: 'ReplayTokenError',
    sentence: 'A text that was given as a replay token is none.',
    cause: 'A part is missing, or it is from another version of Coronet.',
    remedy: 'Copy the token whole, or find the failure again: `coronet sim FILE --seed N`.',
  },
  ERR_SIMULATION: {
    className: 'SimulationError',
    sentence: 'A run of a simulation has failed.',
    cause: 'See `.error`: what a program threw, a deadlock, an invariant, or a limit.',
    remedy: 'Run it again with the seed in the message: the same events come again.',
  },
  ERR_SIMULATION_LIMIT: {
    className: 'SimulationLimitError',
    sentence: 'A run took more steps or more virtual time than it was given.',
    cause: 'A loop that never waits, or a scenario that waits for something that does not come.',
    remedy: 'The message says what each task waits for. Raise `maxSteps` or `maxVirtualMs`.',
  },
};
