import { expect, test, vi } from 'vitest';
import { backendsWithTls } from '../../../test/support/backends.ts';
import { failure } from '../../../test/support/sockets.ts';
import { withForeignClient } from '../../../test/support/tls.ts';
import type { Operation } from '../../kernel/operation.ts';
import { PortableTransport } from '../portable/transport.ts';

const portable = backendsWithTls.find(({ name }) => name === 'portable');

test('a close after a reset by the peer does not try to send close_notify', async () => {
  const send = vi.spyOn(PortableTransport.prototype, 'trySendv');
  await portable?.run(() =>
    withForeignClient(function* ({ raw, far }): Operation<void> {
      raw.reset();
      expect((yield* failure(() => far.recv())).code).toBe('ECONNRESET');
      send.mockClear();
      far.close();
      expect(send).not.toHaveBeenCalled();
    }),
  );
  expect.assertions(2);
  send.mockRestore();
});
