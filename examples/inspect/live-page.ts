// A live page, and its data as a script reads it. In a program that continues, open the address of
// `health` in a browser.
import type { Operation, SocketAddress } from 'coronet';
import { Channel, Event, group, main, until } from 'coronet';
import { health } from 'coronet/health';
import type { InspectSnapshot } from 'coronet/inspect';

async function readTasks(at: SocketAddress): Promise<InspectSnapshot> {
  const response = await fetch(`http://${at}/tasks`);
  return (await response.json()) as InspectSnapshot;
}

await main(() =>
  group(function* (tasks): Operation<void> {
    const listening = new Event('health listens');
    let address!: SocketAddress;
    const onListening = (at: SocketAddress): void => {
      address = at;
      listening.set();
    };
    const options = { inspect: true, onListening };
    tasks.spawn(() => health('127.0.0.1:0', options), { name: 'health', daemon: true });
    const jobs = new Channel<string>(8, 'jobs');
    for (let i = 1; i <= 500; i++) {
      tasks.spawn(() => jobs.receive(), { name: `worker ${i}`, daemon: true });
    }
    yield* listening.wait();
    const { tree } = yield* until(readTasks(address));
    for (const { count, name, waitingOn } of tree.root?.children ?? []) {
      if (count > 1) console.log(`${count} x ${name}: ${waitingOn}`);
    }
  }),
);

// Output:
// 500 x worker *: receive from channel 'jobs'
