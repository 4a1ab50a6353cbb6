/**
 * Starts the echo server as a user does, sends `Hello`, expects `GOT:Hello`, sends SIGTERM and
 * expects exit code 0 and a closed port.
 *
 *   node scripts/smoke-echo.mjs                 the command of this checkout
 *   node scripts/smoke-echo.mjs npm start --    any other command that takes `--port N`
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** `npm start` builds first. */
const startLimitMs = 120_000;
/** `coronet echo` has a grace period of 5 s. */
const stopLimitMs = 6_000;

const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const chosen = process.argv.slice(2);
const [command, ...args] = chosen.length > 0 ? chosen : [process.execPath, main, 'echo'];

const port = await freePort();
const server = start([...args, '--port', String(port)]);
try {
  await waitUntilServing();
  const answer = await ask('Hello');
  if (answer !== 'GOT:Hello') throw new Error(`expected 'GOT:Hello', got '${answer}'`);
  await stop();
  process.stdout.write(`${[command, ...args].join(' ')}: replied, and stopped at SIGTERM\n`);
} catch (error) {
  process.stderr.write(`${server.output}\nsmoke-echo: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  killGroup();
}

/** A port that was free a moment ago. The command needs one: it does not print a port as data. */
async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const found = probe.address().port;
  probe.close();
  await once(probe, 'close');
  return found;
}

/** The server has its own process group, so that `killGroup` ends all of its processes. */
function start(commandArgs) {
  const child = spawn(command, commandArgs, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const started = { child, output: '', failure: undefined };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      started.output += text;
    });
  }
  child.on('error', (error) => {
    started.failure = error;
  });
  return started;
}

async function waitUntilServing() {
  const limit = Date.now() + startLimitMs;
  while (!(await accepts())) {
    if (server.failure !== undefined) throw server.failure;
    if (server.child.exitCode !== null) throw new Error(`it ended with ${server.child.exitCode}`);
    if (Date.now() > limit) throw new Error(`it did not serve within ${startLimitMs} ms`);
    await sleep(50);
  }
}

function accepts() {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.end());
  });
}

/** Sends `text` and returns the reply, once it has the length of a correct one. */
async function ask(text) {
  const socket = connect(port, '127.0.0.1');
  socket.setTimeout(5_000, () => socket.destroy(new Error('no answer within 5 s')));
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) {
    answer += chunk;
    if (answer.length >= text.length + 'GOT:'.length) break;
  }
  return answer;
}

/** npm exits before the server and with its own code, so only the end of both is checked. */
async function stop() {
  const { child } = server;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const limit = Date.now() + stopLimitMs;
  const outcome = await Promise.race([exited, sleep(stopLimitMs, undefined, { ref: false })]);
  if (outcome === undefined) throw new Error(`it still ran ${stopLimitMs} ms after SIGTERM`);
  const [code, signal] = outcome;
  if (code !== 0 && command !== 'npm') {
    throw new Error(`expected exit code 0 after SIGTERM, got ${code ?? signal}`);
  }
  while (await accepts()) {
    if (Date.now() > limit) throw new Error(`it still served ${stopLimitMs} ms after SIGTERM`);
    await sleep(50);
  }
}

function killGroup() {
  try {
    process.kill(-server.child.pid, 'SIGKILL');
  } catch {
    // ESRCH: every process of the group has ended.
  }
}
