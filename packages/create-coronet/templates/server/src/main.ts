/** Listens at ADDRESS, 127.0.0.1:25000 if it is not set. Ctrl-C lets the connections finish. */
import { main, tcpServer } from 'coronet';
import { serveLines } from './server.ts';

const address = process.env['ADDRESS'] ?? '127.0.0.1:25000';

await main(() =>
  tcpServer(address, serveLines, { onListening: () => console.log(`Listening at ${address}`) }),
);
