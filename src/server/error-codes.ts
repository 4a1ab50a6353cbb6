/** The error codes of server/ in the catalogue. */
import type { Catalogue } from '../support/error-catalogue.ts';

export const SERVER_ERRORS: Catalogue = {
  ERR_INSPECT_REMOTE: {
    className: 'UsageError',
    sentence: 'The live page of `health` would be readable from other machines.',
    cause:
      'The option `inspect` shows the tasks, addresses and source files of the program to every ' +
      'peer that can connect, and the address is not a loopback address.',
    remedy:
      "Listen at '127.0.0.1:9090' and forward the port: `ssh -L 9090:127.0.0.1:9090 host`, " +
      '`kubectl port-forward`. In a closed network: `inspect: { remote: true }`.',
  },
  ERR_MISSING_PEER: {
    className: 'CoronetError',
    sentence: 'An optional package that a feature needs is not installed.',
    cause:
      'An optional peer dependency of Coronet is missing: prom-client for `/metrics`, ws for ' +
      '`coronet/ws`.',
    remedy: 'Install the package that the message names: `npm install prom-client`.',
  },
  ERR_WORKER_RESTARTS: {
    className: 'WorkerError',
    sentence: 'Workers ended more often than the restart limit allows, so all were stopped.',
    cause:
      'Every new worker fails soon after its start, for example because a service that it needs ' +
      'is down; or workers hang and are killed after `hangTimeoutMs`.',
    remedy: 'The standard error of the workers shows why they end. `restarts` changes the limit.',
  },
  ERR_WORKER_START: {
    className: 'WorkerError',
    sentence: 'A worker ended before it was ready, or was not ready in time, at the first start.',
    cause:
      'An error in its module, an address that is in use, or a module that neither listens under ' +
      '`main` nor calls `ready()`.',
    remedy: 'Run the module alone: `node module`. Raise `readyTimeoutMs` if it starts slowly.',
  },
  ERR_WORKER_STOP: {
    className: 'WorkerError',
    sentence: 'A worker did not end cleanly when all workers were stopped.',
    cause: 'Connections were still open at the end of its grace period, or its cleanup failed.',
    remedy:
      'Its standard error shows which connections were cut. Raise `graceMs`, or end them sooner.',
  },
};
