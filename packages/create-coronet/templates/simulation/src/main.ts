/** The server at 127.0.0.1:25000. */
import { main, tcpServer } from 'coronet';
import type { Disk } from './store.ts';
import { serveStore } from './store.ts';

const disk: Disk = { items: [] };

await main(() => {
  console.log('Listening at 127.0.0.1:25000');
  return tcpServer('127.0.0.1:25000', (socket) => serveStore(disk, socket));
});
