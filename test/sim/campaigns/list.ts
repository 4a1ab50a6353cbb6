/** All campaigns. */

import { paths, queues, races } from './connect.ts';
import { lastWords, queuedLast } from './connection-end.ts';
import { crashes } from './crashes.ts';
import { datagrams } from './datagrams.ts';
import { drain, drainWithGrace } from './drain.ts';
import { halfClose } from './half-close.ts';
import { proxy } from './pipe.ts';
import { behindProxy, halfHeaders } from './proxy-protocol.ts';
import { frames, readLines } from './reader-writer.ts';
import { storms, torn } from './socket-cancellation.ts';
import type { Campaign } from './support.ts';
import { barrierRounds, broadcast, channels, conditions, locks } from './synchronization.ts';

export const campaigns: readonly Campaign[] = [
  drain,
  drainWithGrace,
  queuedLast,
  lastWords,
  frames,
  readLines,
  proxy,
  behindProxy,
  halfHeaders,
  halfClose,
  datagrams,
  crashes,
  torn,
  storms,
  races,
  queues,
  paths,
  channels,
  locks,
  conditions,
  barrierRounds,
  broadcast,
];
