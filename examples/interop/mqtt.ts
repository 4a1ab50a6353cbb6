// The MQTT broker aedes on a server of Coronet: node mqtt.js [port], then for example
// mosquitto_sub -p 1883 -t news
import { Aedes } from 'aedes';
import { handOver, main, tcpServer } from 'coronet';

const [port = '1883'] = process.argv.slice(2);

const broker = await Aedes.createBroker();
await main(() =>
  tcpServer(
    `127.0.0.1:${port}`,
    handOver((stream) => broker.handle(stream)),
    { maxConnectionsPerPeer: 1000 },
  ),
);
