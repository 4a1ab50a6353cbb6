/**
 * `npm run docs:figures`: draws docs/pictures/bench.svg from bench/figures.json.
 *
 * `npm run docs:figures -- FILE` first takes the figures from FILE, the output of
 * `npm run bench -- echo lines frames tls accept fanout ws --json`. Run it on the machine of the
 * benchmarks: the versions of Bun, Go and the C compiler are those in the PATH.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const data = join(root, 'bench/figures.json');
const picture = join(root, 'docs/pictures/bench.svg');

/** The rows of the picture: a cell of the benchmarks, and the server whose cost is 1. */
const ROWS = [
  { title: 'echo, 50 × 64 B', cell: { suite: 'echo', connections: 50, size: 64 } },
  { title: 'echo, 1,000 × 64 B', cell: { suite: 'echo', connections: 1000, size: 64 } },
  { title: 'echo, 1,000 × 16 KB', cell: { suite: 'echo', connections: 1000, size: 16384 } },
  { title: 'lines, 50 × 64 B', cell: { suite: 'lines', depth: 1 } },
  { title: 'frames, 50 × 16 KB', cell: { suite: 'frames', size: 16384 } },
  { title: 'frames, 16 in flight', cell: { suite: 'frames', depth: 16 } },
  { title: 'TLS echo, 50 × 64 B', cell: { suite: 'tls', connections: 50, size: 64 } },
  { title: 'TLS echo, 50 × 16 KB', cell: { suite: 'tls', connections: 50, size: 16384 } },
  { title: 'TLS handshakes', cell: { suite: 'tls', short: 'full' } },
  { title: 'short connections', cell: { suite: 'accept' } },
  { title: 'one message to 1,000', cell: { suite: 'fanout' } },
  { title: 'WebSocket, 50 × 64 B', cell: { suite: 'ws', connections: 50, size: 64 } },
  { title: 'WebSocket, 1,000 × 16 KB', cell: { suite: 'ws', connections: 1000, size: 16384 } },
];

const SERVERS = { c: 'C, epoll', 'coronet-epoll': 'Coronet', bun: 'Bun', go: 'Go' };

/** The figures of the picture from the output of the benchmarks. */
export function figuresOf({ machine, cells }, { date, versions }) {
  const rows = ROWS.map(({ title, cell }) => {
    const found = cells.find((other) => isCell(other, cell));
    if (found === undefined) throw new Error(`The benchmarks lack ${title}`);
    const basis = cell.suite === 'ws' ? 'ws' : 'node-net';
    const ratios = found.servers
      .filter(({ name }) => Object.hasOwn(SERVERS, name))
      .map(({ name, ratios: all }) => [name, Number(all[basis].toFixed(2))]);
    return { title, basis, ratios: Object.fromEntries(ratios) };
  });
  const { node, kernel, cpu, cores } = machine;
  return { date, machine: { cpu, cores, kernel }, versions: { node, ...versions }, rows };
}

function isCell(cell, wanted) {
  return Object.entries(wanted).every(([key, value]) => cell[key] === value);
}

const WIDTH = 820;
const LABELS = 216;
const AXIS = { from: 236, to: 716, max: 2 };
const HEAD = 84;
const ROW = 25;

const STYLE = `
  :root { --bg: #fff; --line: #e2e5ea; --text: #1b1f27; --dim: #5d6776; --bad: #c62a33;
    --coronet: #0f7a78; --c: #7a828e; --bun: #b4521a; --go: #3563d9; }
  @media (prefers-color-scheme: dark) { :root { --bg: #14171c; --line: #2d333d; --text: #e6e9ef;
    --dim: #98a2b3; --bad: #ff7a80; --coronet: #4fd0ac; --c: #a9b0c4; --bun: #f3a06a;
    --go: #7ea2ff; } }
  text { font: 13px system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans',
    sans-serif; fill: var(--text); }
  .title { font-size: 15px; font-weight: 600; } .dim { fill: var(--dim); font-size: 12px; }
  .end { text-anchor: end; } .middle { text-anchor: middle; }
  .grid { stroke: var(--line); } .basis { stroke: var(--dim); stroke-dasharray: 4 3; }
  .value { font-weight: 600; fill: var(--coronet); } .value.lost { fill: var(--bad); }
  .coronet-epoll { fill: var(--coronet); } .bun { fill: var(--bun); } .go { fill: var(--go); }
  .c { fill: none; stroke: var(--c); stroke-width: 1.8; }`;

/** docs/pictures/bench.svg: one row for each cell, one mark for each server. */
export function figuresPicture({ date, machine, versions, rows }) {
  const bottom = HEAD + rows.length * ROW;
  const height = bottom + 62;
  const { node, bun, go } = versions;
  const tools = `Node ${node.replace(/^v/, '')}, Bun ${bun}, Go ${go}`;
  const parts = [
    background(height),
    text(20, 30, 'CPU time per message: node:net = 1, for WebSocket the package ws = 1', 'title'),
    legend(20, 54),
    ...grid(bottom),
    ...rows.flatMap(drawRow),
    text(
      20,
      bottom + 32,
      'Left of the dashed line is cheaper. The numbers are those of Coronet; red: it costs more.',
      'dim',
    ),
    text(
      20,
      bottom + 49,
      `${tools}; ${machine.cpu}, ${machine.cores} cores, loopback; ${date}`,
      'dim',
    ),
  ];
  const size = `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">
<title>CPU time per message of Coronet, C, Bun and Go, compared with node:net</title>
<style>${STYLE}
</style>
${parts.join('\n')}
</svg>
`;
}

function background(height) {
  const size = `width="${WIDTH - 1}" height="${height - 1}"`;
  return `<rect class="grid" x=".5" y=".5" ${size} rx="8" fill="var(--bg)"/>`;
}

function legend(x, y) {
  return Object.entries(SERVERS)
    .map(([name, label], index) => {
      const at = x + 6 + index * 96;
      return `${mark(name, at, y - 4)}${text(at + 12, y, label)}`;
    })
    .join('\n');
}

function grid(bottom) {
  return [0, 0.5, 1, 1.5, 2].map((ratio) => {
    const x = placeOf(ratio);
    const style = ratio === 1 ? 'basis' : 'grid';
    const line = `<path class="${style}" d="M${x} ${HEAD - 8}V${bottom}"/>`;
    return `${line}${text(x, bottom + 14, `${ratio}`, 'dim middle')}`;
  });
}

function drawRow({ title, ratios }, index) {
  const y = HEAD + index * ROW + 8;
  const own = ratios['coronet-epoll'];
  // The mark of Coronet is on top of the others.
  const names = Object.keys(ratios).filter((name) => name !== 'coronet-epoll');
  const marks = [...names, 'coronet-epoll'].map((name) => {
    return mark(name, placeOf(ratios[name]), y, ratios[name] > AXIS.max);
  });
  const style = own > 1 ? 'end value lost' : 'end value';
  return [
    text(LABELS, y + 4, title, 'end'),
    ...marks,
    text(WIDTH - 20, y + 4, own.toFixed(2), style),
  ];
}

function placeOf(ratio) {
  const share = Math.min(ratio, AXIS.max) / AXIS.max;
  return Number((AXIS.from + share * (AXIS.to - AXIS.from)).toFixed(1));
}

/** A shape for each server, so that no colour is needed; an arrow for a value beyond the axis. */
function mark(name, x, y, isBeyond = false) {
  if (isBeyond) return `<path class="${name}" d="M${x - 2} ${y - 6}l12 6l-12 6z"/>`;
  if (name === 'coronet-epoll') return `<circle class="${name}" cx="${x}" cy="${y}" r="6"/>`;
  if (name === 'c') return `<path class="${name}" d="M${x} ${y - 5}l5 5l-5 5l-5 -5z"/>`;
  if (name === 'bun') return `<path class="${name}" d="M${x} ${y - 5}l5.5 9.5h-11z"/>`;
  return `<path class="${name}" d="M${x - 4.5} ${y - 4.5}h9v9h-9z"/>`;
}

function text(x, y, content, style = '') {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" class="${style}">${escaped}</text>`;
}

function versionOf(command, ...args) {
  const { stdout } = spawnSync(command, args, { encoding: 'utf8' });
  const version = /\d+(?:\.\d+)+/.exec(stdout ?? '')?.[0];
  if (version === undefined) throw new Error(`'${command}' is not in the PATH`);
  return version;
}

function takeFigures(file) {
  const output = JSON.parse(readFileSync(file, 'utf8'));
  const versions = {
    bun: versionOf('bun', '--version'),
    go: versionOf('go', 'version'),
    cc: versionOf('cc', '-dumpfullversion'),
  };
  const date = new Date().toISOString().slice(0, 10);
  writeFileSync(data, `${JSON.stringify(figuresOf(output, { date, versions }), null, 2)}\n`);
}

if (import.meta.url === pathToFileURL(argv[1] ?? '').href) {
  if (argv[2] !== undefined) takeFigures(argv[2]);
  mkdirSync(join(root, 'docs/pictures'), { recursive: true });
  writeFileSync(picture, figuresPicture(JSON.parse(readFileSync(data, 'utf8'))));
}
