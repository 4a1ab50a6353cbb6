// STARTTLS: a mail server that accepts every message: node smtp.js key.pem cert.pem [port], then
// openssl s_client -connect 127.0.0.1:2525 -starttls smtp -crlf
import { readFileSync } from 'node:fs';
import type { Operation, Reader, Socket } from 'coronet';
import { main, tcpServer } from 'coronet';

const [key = 'key.pem', cert = 'cert.pem', port = '2525'] = process.argv.slice(2);
const identity = { key: readFileSync(key), cert: readFileSync(cert) };

/** The maximum size of a message. */
const MOST_BYTES = 10_000_000;

/** Reads a message up to the line with a single dot. Returns its size. */
function* readMessage(reader: Reader): Operation<number> {
  let size = 0;
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null || line === '.') return size;
    size += line.length + 2;
    if (size > MOST_BYTES) throw new RangeError(`a message of more than ${MOST_BYTES} bytes`);
  }
}

function* serveMail(socket: Socket): Operation<void> {
  const reader = socket.reader({ max: 1000 });
  const writer = socket.writer({ autoFlush: true });
  writer.write('220 mail.example ESMTP\r\n');
  for (;;) {
    const line = yield* reader.readLine();
    const [verb = ''] = line?.toUpperCase().split(/[ :]/) ?? ['QUIT'];
    if (verb === 'EHLO') {
      writer.write(`250-mail.example\r\n250 ${socket.tls ? '8BITMIME' : 'STARTTLS'}\r\n`);
    } else if (verb === 'STARTTLS' && socket.tls === undefined) {
      writer.write('220 Ready to start TLS\r\n');
      yield* socket.startTls(identity); // sends the line first
    } else if (verb === 'DATA') {
      writer.write('354 End with a line that has a single dot\r\n');
      writer.write(`250 Accepted ${yield* readMessage(reader)} bytes\r\n`);
    } else if (verb === 'QUIT') {
      writer.write('221 Bye\r\n');
      return;
    } else {
      const known = ['HELO', 'MAIL', 'RCPT', 'RSET', 'NOOP'].includes(verb);
      writer.write(known ? '250 OK\r\n' : '502 Not implemented\r\n');
    }
  }
}

await main(() => tcpServer(`127.0.0.1:${port}`, serveMail));
