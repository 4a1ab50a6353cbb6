// The micro-benchmarks in async functions, promises and AbortController: the language and Node
// only. Missing features are implemented in the usual way.

import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Lap, Once, same } from '../clock.mjs';
import { BATCH, fan, HOUR_MS } from '../sizes.mjs';

// A node of the tree has a listener for each child. The warning would be most of the cost.
setMaxListeners(0);

const empty = async () => {};

async function switching(depth, count, lap) {
  if (depth > 1) return await switching(depth - 1, count, lap);
  await null;
  lap.begin();
  for (let i = 0; i < count; i++) await null;
  lap.end();
}

function switches({ tasks, depth }) {
  return async (n) => {
    const lap = new Lap();
    await Promise.all(Array.from({ length: tasks }, () => switching(depth, n / tasks, lap)));
    return lap.ns;
  };
}

function timed(body) {
  return async (n) => {
    const lap = new Lap();
    lap.begin();
    await body(n);
    lap.end();
    return lap.ns;
  };
}

async function allOfBatch(n) {
  for (let left = n; left > 0; left -= BATCH) {
    await Promise.all(Array.from({ length: BATCH }, empty));
  }
}

async function callAndAwait(n) {
  for (let i = 0; i < n; i++) await empty();
}

/** A typical bounded queue: arrays hold the resolvers of waiting senders and receivers. */
class Queue {
  #items = [];
  #senders = [];
  #receivers = [];

  constructor(capacity) {
    this.capacity = capacity;
  }

  async send(item) {
    const receiver = this.#receivers.shift();
    if (receiver) return receiver(item);
    if (this.#items.length < this.capacity) {
      this.#items.push(item);
      return;
    }
    await new Promise((sent) => this.#senders.push({ item, sent }));
  }

  async receive() {
    if (this.#items.length > 0) {
      const item = this.#items.shift();
      const next = this.#senders.shift();
      if (next) this.#items.push(next.item);
      next?.sent();
      return item;
    }
    const sender = this.#senders.shift();
    sender?.sent();
    return sender ? sender.item : new Promise((received) => this.#receivers.push(received));
  }
}

function channels({ capacity }) {
  return timed(async (n) => {
    const queue = new Queue(capacity ?? Infinity);
    const sending = async () => {
      for (let i = 0; i < n; i++) await queue.send(i);
    };
    const receiving = async () => {
      for (let i = 0; i < n; i++) same(await queue.receive(), i);
    };
    await Promise.all([sending(), receiving()]);
  });
}

async function withTimeout(ms, operation) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('timeout')), ms);
  });
  try {
    return await Promise.race([operation(), limit]);
  } finally {
    clearTimeout(timer);
  }
}

async function timeouts(n) {
  for (let i = 0; i < n; i++) await withTimeout(HOUR_MS, empty);
}

async function signals(n) {
  for (let i = 0; i < n; i++) await empty(AbortSignal.timeout(HOUR_MS));
}

async function controllers(n) {
  for (let i = 0; i < n; i++) await empty(new AbortController().signal);
}

const aborted = (signal) =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });

function cancels() {
  return async (n) => {
    const lap = new Lap();
    let unwound = 0;
    const waiting = async ({ signal }) => {
      try {
        await aborted(signal);
      } finally {
        unwound++;
      }
    };
    for (let left = n; left > 0; left -= BATCH) {
      const owners = Array.from({ length: BATCH }, () => new AbortController());
      const calls = owners.map(waiting);
      lap.resume();
      for (const owner of owners) owner.abort();
      await Promise.allSettled(calls);
      lap.pause();
    }
    same(unwound, n);
    return lap.ns;
  };
}

// One controller for each: with a shared signal, Node searches the list of listeners for every new
// sleeper, and 100,000 sleepers take minutes.
function sleepers({ tasks }) {
  return async () => {
    let unwound = 0;
    const sleeper = async ({ signal }) => {
      try {
        await delay(HOUR_MS, undefined, { signal });
      } finally {
        unwound++;
      }
    };
    const once = new Once(tasks);
    const owners = Array.from({ length: tasks }, () => new AbortController());
    const calls = owners.map(sleeper);
    once.started();
    for (const owner of owners) owner.abort();
    await Promise.allSettled(calls);
    once.cancelled(unwound);
    return once.figures;
  };
}

function trees({ tasks }) {
  return async () => {
    let unwound = 0;
    const node = async (size, outer) => {
      const owner = new AbortController();
      outer.addEventListener('abort', () => owner.abort(outer.reason), { once: true });
      const children = fan(size - 1).map((part) => node(part, owner.signal));
      try {
        await aborted(owner.signal);
      } finally {
        await Promise.allSettled(children);
        unwound++;
      }
    };
    const once = new Once(tasks);
    const owner = new AbortController();
    const root = node(tasks, owner.signal);
    once.started();
    owner.abort();
    await Promise.allSettled([root]);
    once.cancelled(unwound);
    return once.figures;
  };
}

export const cases = {
  switch: switches,
  'spawn-finish': () => timed(allOfBatch),
  'spawn-join': () => timed(callAndAwait),
  all: () => timed(allOfBatch),
  channel: channels,
  timeout: () => timed(timeouts),
  'abort-signal': () => timed(signals),
  scope: () => timed(controllers),
  sleepers,
  cancel: cancels,
  tree: trees,
};
