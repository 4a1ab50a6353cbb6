import { expect, it } from 'vitest';
import { natsTopics } from '../topics.ts';

it.each([
  [{}, 'servers'],
  [{ servers: [] }, 'servers'],
  [{ servers: [7] }, 'servers'],
  [{ servers: 'a b' }, 'servers'],
  [{ servers: 'a', passwort: 'x' }, 'did you mean `password`'],
  [{ servers: 'a', token: 7 }, 'options.token'],
  [{ servers: 'a', timeoutMs: -1 }, 'timeoutMs'],
  [{ servers: 'a', maxDisconnectedMs: '1' }, 'maxDisconnectedMs'],
  [{ servers: 'a', flushBytes: 0 }, 'flushBytes'],
  [{ servers: 'a', tls: { caFile: 'x' } }, 'options.tls.caFile'],
  [{ servers: 'a', tls: { ca: 7 } }, 'options.ca'],
])('natsTopics rejects the options %j', (options, name) => {
  expect(() => natsTopics(options as never)).toThrow(name);
});
