/** Open sockets and pollers do not keep the process alive, and its exit is clean. */
import { connectedPair, makePoller } from './support.mjs';

const poller = makePoller();
await connectedPair(poller);
makePoller();
