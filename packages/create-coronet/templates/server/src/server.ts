/** The protocol: one request per line, one response per line. */
import type { Operation, Socket } from 'coronet';

/** Serves one connection: `1+2` is answered with `3`. */
export function* serveLines(socket: Socket): Operation<void> {
  const reader = socket.reader({ max: 1000 });
  const writer = socket.writer({ autoFlush: true });
  for (;;) {
    const line = yield* reader.readLine();
    if (line === null) return;
    writer.write(`${answer(line)}\n`);
  }
}

function answer(line: string): string {
  const numbers = line.split('+').map(Number);
  const sum = numbers.reduce((total, number) => total + number, 0);
  return Number.isNaN(sum) ? `error: not a sum: ${line}` : String(sum);
}
