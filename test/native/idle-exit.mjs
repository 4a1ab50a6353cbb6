/** Open sockets and pollers keep no process alive, and their clean-up at the end is quiet. */
import { connectedPair, makePoller } from './support.mjs';

const poller = makePoller();
await connectedPair(poller);
makePoller();
