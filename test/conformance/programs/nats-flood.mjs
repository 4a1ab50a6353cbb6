// Publishes 1000 messages of 64 KB to the subject "flood": node nats-flood.mjs HOST:PORT
import { connect } from '@nats-io/transport-node';

const connection = await connect({ servers: process.argv[2] });
const data = Buffer.alloc(65_536);
for (let i = 0; i < 1000; i++) {
  connection.publish('flood', data);
  if (i % 10 === 9) await connection.flush();
}
await connection.close();
