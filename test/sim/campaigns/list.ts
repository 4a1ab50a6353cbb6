/** All campaigns. */

import { paths, queues, races } from './connect.ts';
import { finalAnswer, queuedAtStop } from './connection-end.ts';
import { crashes } from './crashes.ts';
import { datagrams } from './datagrams.ts';
import { drain, drainWithGrace } from './drain.ts';
import { halfClose } from './half-close.ts';
import { codecMessages, websocketMessages } from './messages.ts';
import { proxy } from './pipe.ts';
import { behindProxy, incompleteHeaders } from './proxy-protocol.ts';
import { frames, readLines } from './reader-writer.ts';
import { cancellations, torn } from './socket-cancellation.ts';
import type { Campaign } from './support.ts';
import { barrierRounds, broadcast, channels, conditions, locks } from './synchronization.ts';
import { topicsChat } from './topics.ts';

export const campaigns: readonly Campaign[] = [
  drain,
  drainWithGrace,
  queuedAtStop,
  finalAnswer,
  frames,
  readLines,
  codecMessages,
  websocketMessages,
  proxy,
  behindProxy,
  incompleteHeaders,
  halfClose,
  datagrams,
  crashes,
  torn,
  cancellations,
  races,
  queues,
  paths,
  channels,
  locks,
  conditions,
  barrierRounds,
  broadcast,
  topicsChat,
];
