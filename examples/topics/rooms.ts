// A room with two members. With the address of a NATS server as its argument, the members can be on
// different machines: `node rooms.ts localhost:4222`. Without, they are tasks of this process.
import type { Operation } from 'coronet';
import { group, main } from 'coronet';
import type { Topics } from 'coronet/topics';
import { localTopics, natsTopics } from 'coronet/topics';

/** Shows the messages of a room, and where messages are missing. */
function* showRoom(topics: Topics, name: string, count: number): Operation<void> {
  using messages = yield* topics.subscribe(`rooms.${name}`, { capacity: 100 });
  yield* topics.publish(`rooms.${name}.joined`, '');
  for (let received = 0; received < count; ) {
    const { done, value } = yield* messages.next();
    if (done) return;
    if (value.gap !== undefined) {
      console.log(`Messages may be missing here: ${value.gap}`);
      continue;
    }
    console.log(String(value.data));
    received++;
  }
}

await main(function* (): Operation<void> {
  const servers = process.argv[2];
  using topics = servers ? yield* natsTopics({ servers }) : yield* localTopics();
  using joined = yield* topics.subscribe('rooms.*.joined');
  yield* group(function* (tasks): Operation<void> {
    tasks.spawn(() => showRoom(topics, 'kitchen', 2));
    yield* joined.next();
    yield* topics.publish('rooms.kitchen', 'Anna: Is there coffee?');
    yield* topics.publish('rooms.kitchen', 'Ben: Not yet.');
  });
});

// Output:
// Anna: Is there coffee?
// Ben: Not yet.
