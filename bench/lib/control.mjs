// The server's half of the control line, for servers written in JavaScript.
//
// stdout: first `{"port":…}`; then one answer per line of stdin. A line `usage` asks for the CPU
// time that the process has used so far, `gc` for the same after a collection. The end of stdin
// ends the process, so that no server outlives the benchmark, however the benchmark ends.

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

// cpuUsage() is getrusage(RUSAGE_SELF) in µs: all threads, so V8's helpers are charged too.
function usage() {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { user, sys: system, rss, heapUsed, external };
}

const collector = () => globalThis.gc ?? (() => globalThis.Bun?.gc(true));

// Twice with a pause: finalizers of the first pass release what only the second can free.
function collect(then) {
  const gc = collector();
  gc();
  setTimeout(() => {
    gc();
    then();
  }, 100);
}

function obey(line) {
  if (line === 'gc') collect(() => say(usage()));
  else say(usage());
}

export function announce(port) {
  let rest = '';
  process.stdin.setEncoding('utf8');
  process.stdin.on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) obey(line);
  });
  process.stdin.on('end', () => process.exit(0));
  process.stdin.unref?.();
  say({ port });
}
