// The benchmarks as lists of cases, with the bars that the project sets for itself.
//
// A case has `kind` and `parameters` for the runtimes (`kinds` if they differ), `runtimes` if some
// runtimes lack the case, and `quick` if it is part of a quick run. A bar is an upper limit for
// Coronet (`atMost`), or a lower limit for the ratio of `over` to Coronet (`atLeast`).

const PEERS = ['effect', 'effection'];
const times = (name) => PEERS.map((over) => ({ name, over, atLeast: 10 }));

const switches = (tasks, depth, more) => ({
  name: `${tasks} tasks, depth ${depth}`,
  kind: 'switch',
  parameters: { tasks, depth },
  ...more,
});

// effection's channels have no capacity.
const channel = (capacity, quick) => ({
  name: capacity === undefined ? 'unbounded' : `capacity ${capacity}`,
  kind: 'channel',
  parameters: { capacity },
  runtimes: capacity === undefined ? undefined : ['coronet', 'promise', 'effect'],
  quick,
});

/** Rows of a case that runs once: per task, because the numbers of tasks differ. */
const perTask = [
  { name: 'start', unit: 'µs', of: ({ startMs, tasks }) => (startMs * 1000) / tasks },
  { name: 'cancel', unit: 'µs', of: ({ cancelMs, tasks }) => (cancelMs * 1000) / tasks },
  { name: 'heap', unit: 'B', of: ({ heapBytes }) => heapBytes },
];

const MILLION = 1_000_000;

export const SUITES = {
  switch: {
    title: 'switch: tasks that yield in turn, ns of CPU per switch',
    cases: [
      switches(2, 1, {
        quick: true,
        bars: [{ name: '2 tasks, depth 1', unit: 'ns', atMost: 60 }, ...times('2 tasks, depth 1')],
      }),
      switches(2, 10),
      switches(2, 100, { quick: true }),
      switches(100, 1, { quick: true, bars: times('100 tasks, depth 1') }),
      switches(100, 10),
      switches(100, 100),
    ],
  },
  spawn: {
    title: 'spawn: a task that does nothing, ns of CPU per task',
    cases: [
      {
        name: 'spawn, finish',
        kind: 'spawn-finish',
        quick: true,
        bars: [{ name: 'spawn, finish', unit: 'ns', atMost: 600 }, ...times('spawn, finish')],
      },
      { name: 'spawn, join', kind: 'spawn-join', quick: true, bars: times('spawn, join') },
      { name: 'all of 100', kind: 'all', quick: true },
    ],
  },
  channel: {
    title: 'channel: one task sends, one receives, ns of CPU per item',
    cases: [channel(0, true), channel(1), channel(100, true), channel(undefined)],
  },
  timers: {
    title: 'timers: around an operation that completes at once, ns of CPU; sleeping tasks, each',
    cases: [
      {
        name: 'timeout',
        kind: 'timeout',
        quick: true,
        bars: [{ name: 'timeout', unit: 'ns', atMost: 150 }],
      },
      {
        name: 'timeout | AbortSignal.timeout',
        kind: 'timeout',
        kinds: { promise: 'abort-signal' },
        runtimes: ['coronet', 'promise'],
      },
      {
        name: 'scope',
        kind: 'scope',
        quick: true,
        bars: [{ name: 'scope', unit: 'ns', atMost: 150 }],
      },
      {
        name: 'sleepers',
        kind: 'sleepers',
        tasks: { coronet: MILLION, promise: 10_000, effect: 50_000, effection: 10_000 },
        quick: true,
        rows: perTask,
        bars: [
          {
            name: '1 000 000 sleepers, most resident',
            unit: 'MB',
            atMost: 1024,
            of: ({ peakMb }) => peakMb,
          },
          {
            name: '1 000 000 sleepers, cancelled',
            unit: 'ms',
            atMost: 2000,
            of: ({ cancelMs }) => cancelMs,
          },
        ],
      },
    ],
  },
  cancel: {
    title: 'cancel: a task that waits, until it has unwound, ns of CPU; a tree of tasks, each',
    cases: [
      { name: 'waiting task', kind: 'cancel', quick: true },
      {
        name: 'tree',
        kind: 'tree',
        tasks: { coronet: 100_000, promise: 100_000, effect: 100_000, effection: 10_000 },
        quick: true,
        rows: perTask,
      },
    ],
  },
};
