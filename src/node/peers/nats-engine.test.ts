/** The NATS client without the optional package @nats-io/transport-node. */
import { expect, it } from 'vitest';
import { hidePackage, restorePackages } from '../../../test/support/missing-package.ts';
import { failure } from '../../../test/support/sockets.ts';
import { run } from '../../index.ts';
import { simulate } from '../../sim.ts';
import { localTopics, natsBroker, natsTopics } from '../../topics.ts';

restorePackages();

it('without @nats-io/transport-node, natsTopics fails with the install command', () => {
  hidePackage('@nats-io/transport-node');
  return run(function* () {
    expect(yield* failure(() => natsTopics({ servers: 'localhost:4222' }))).toMatchObject({
      code: 'ERR_MISSING_PEER',
      message: expect.stringContaining('npm install @nats-io/transport-node'),
    });
  });
});

it('without @nats-io/transport-node, local topics and simulated ones work', async () => {
  hidePackage('@nats-io/transport-node');
  await simulate(function* (world) {
    world.host('broker', () => natsBroker(4222));
    using topics = yield* natsTopics({ servers: 'broker:4222' });
    yield* topics.flush();
  });
  await run(function* () {
    using topics = yield* localTopics();
    yield* topics.publish('a', '');
  });
});
