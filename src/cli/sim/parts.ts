/** What simulations of the command are built on: the same as those of coronet/sim. */
import { breathe, later, limit, watch } from '../../node/simulation-support.ts';
import { SimulatedNetwork } from '../../sim/network/network.ts';
import type { SimDependencies } from '../../sim/simulate.ts';

export const parts: SimDependencies = {
  realProcess: {
    yieldToEventLoop: breathe,
    setTimer: later,
    deadline: limit,
    watchRealSources: watch,
  },
  makeNetwork: (core, defaults) => new SimulatedNetwork(core, defaults),
  debug: () => process.env['CORONET_DEBUG'] === '1',
};
