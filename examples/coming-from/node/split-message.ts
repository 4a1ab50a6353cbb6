// node:net, messages: each 'data' event is taken for one message. TCP carries bytes: a message may
// arrive in two events, and two messages in one.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';

const server = createServer((socket) => {
  socket.on('data', (data) => {
    try {
      const { name } = JSON.parse(String(data)) as { name: string };
      socket.write(`Hello, ${name}\n`);
    } catch (error) {
      socket.write(`${(error as Error).name}\n`);
    }
  });
});

server.listen(0, '127.0.0.1');
await once(server, 'listening');
const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
client.setEncoding('utf8');
for (const part of ['{"name":"Ada"}\n', '{"name":', '"Ben"}\n', '{"name":"Cy"}\n{"name":"Di"}\n']) {
  client.write(part);
  const [response] = (await once(client, 'data')) as [string];
  console.log(`${JSON.stringify(part)} → ${response.trim()}`);
}
client.destroy();
server.close();

// Output:
// "{\"name\":\"Ada\"}\n" → Hello, Ada
// "{\"name\":" → SyntaxError
// "\"Ben\"}\n" → SyntaxError
// "{\"name\":\"Cy\"}\n{\"name\":\"Di\"}\n" → SyntaxError
