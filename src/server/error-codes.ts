/** The codes of server/ in the catalogue of error codes. */
import type { Catalogue } from '../support/error-catalogue.ts';

export const SERVER_ERRORS: Catalogue = {
  ERR_WORKER_RESTARTS: {
    className: 'WorkerError',
    sentence: 'Workers ended more often than the restart limit allows, and the rest was stopped.',
    cause:
      'Every new worker fails soon, for example because something that it needs has gone; or ' +
      'workers hang, and are killed after `hangTimeoutMs`.',
    remedy:
      'What the workers wrote to standard error tells why they end. `restarts` moves the limit.',
  },
  ERR_WORKER_START: {
    className: 'WorkerError',
    sentence: 'A worker was not ready in time, or ended before it was, at the very beginning.',
    cause:
      'A mistake in its module, an address that is in use, or a module that neither listens ' +
      'under `main` nor calls `ready()`.',
    remedy:
      'Run the module alone first: `node module`. Raise `readyTimeoutMs` if it begins slowly.',
  },
  ERR_WORKER_STOP: {
    className: 'WorkerError',
    sentence: 'A worker did not end well when all were asked to: it was cut, or failed.',
    cause: 'Its connections were not done when its grace was over, or its cleanup failed.',
    remedy: 'What it wrote to standard error tells who was cut. Raise `graceMs`, or end sooner.',
  },
};
