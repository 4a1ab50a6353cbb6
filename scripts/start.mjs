/**
 * `npm start`: the echo server, with the options after `npm start --`.
 *
 * npm runs a script in a shell and sends its own signals to that shell, which ends without passing
 * them on: the server would keep running as an orphan. Therefore the loss of the parent process
 * counts as SIGTERM here, unless a signal arrives directly (a terminal sends Ctrl-C to all three).
 */
import { fileURLToPath } from 'node:url';

const main = new URL('../dist/cli/main.js', import.meta.url);
const parent = process.ppid;
const timer = setInterval(stopWithParent, 200).unref();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => clearInterval(timer));

process.argv.splice(1, 1, fileURLToPath(main), 'echo');
await import(main.href);

function stopWithParent() {
  if (process.ppid === parent) return;
  clearInterval(timer);
  process.kill(process.pid, 'SIGTERM');
}
