// An echo server as an async function: node async.js [port], then nc 127.0.0.1 25000
import { asyncHandler, main, tcpServer } from 'coronet';

const [port = '25000'] = process.argv.slice(2);

const echo = asyncHandler(async (socket, signal) => {
  signal.addEventListener('abort', () => console.log('ended:', String(signal.reason)));
  for (;;) {
    const line = await socket.readLine({ max: 1000 });
    if (line === null) return;
    await socket.sendAll(`GOT:${line}\n`);
  }
});

await main(() => tcpServer(`127.0.0.1:${port}`, echo));
