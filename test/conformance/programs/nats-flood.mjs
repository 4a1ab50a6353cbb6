// Publishes 1000 messages of 64 KB to the subject "flood": node nats-flood.mjs HOST:PORT [FIRST]
// They begin with "flood N message ", with the numbers from FIRST on.
import { connect } from '@nats-io/transport-node';

const connection = await connect({ servers: process.argv[2] });
const first = Number(process.argv[3] ?? 1);
for (let i = 0; i < 1000; i++) {
  connection.publish('flood', `flood ${first + i} message `.padEnd(65_536));
  if (i % 10 === 9) await connection.flush();
}
await connection.close();
