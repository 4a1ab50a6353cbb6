/**
 * `npm start`: the echo server, with the options behind `npm start --`.
 *
 * npm runs a script behind a shell and sends its signals to that shell, which dies and passes
 * nothing on: the server would be left behind, still serving. So the loss of the parent counts as
 * SIGTERM here, unless a signal came by itself (a terminal sends Ctrl-C to all of them).
 */
import { fileURLToPath } from 'node:url';

const main = new URL('../dist/cli/main.js', import.meta.url);
const parent = process.ppid;
const watch = setInterval(stopWithParent, 200).unref();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => clearInterval(watch));

process.argv.splice(1, 1, fileURLToPath(main), 'echo');
await import(main.href);

function stopWithParent() {
  if (process.ppid === parent) return;
  clearInterval(watch);
  process.kill(process.pid, 'SIGTERM');
}
