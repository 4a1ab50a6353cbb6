/** All campaigns. */
import { behindProxy, halfHeaders } from './behind-proxy.ts';
import { storms, torn } from './cancelling.ts';
import { paths, queues, races } from './connecting.ts';
import { barrierRounds, broadcast, channels, conditions, locks } from './conservation.ts';
import { crashes } from './crashes.ts';
import { datagrams } from './datagrams.ts';
import { drain, drainWithGrace } from './drain.ts';
import { frames, readLines } from './frames.ts';
import { halfClose } from './half-close.ts';
import { lastWords, queuedLast } from './last-words.ts';
import { proxy } from './proxy.ts';
import type { Campaign } from './support.ts';

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
