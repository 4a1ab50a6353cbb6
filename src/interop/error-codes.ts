/** The error codes of the layer interop. */
import type { Catalogue } from '../support/error-catalogue.ts';

export const INTEROP_ERRORS: Catalogue = {
  ERR_NOT_AWAITED: {
    className: 'UsageError',
    sentence:
      'An async handler has ended while an operation that it did not await was in progress.',
    cause: '`socket.sendAll(data)` without `await` in the function of `asyncHandler`.',
    remedy: 'Write `await socket.sendAll(data)`.',
  },
};
