/**
 * `npm run docs:live-page`: draws docs/pictures/live-page.svg, the picture of the live page of
 * `health`. It runs a server with clients, opens the page in Chromium, and writes what the browser
 * has laid out as SVG: boxes as rectangles, text as text, charts as they are.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { health } from '../dist/health.js';
import { Channel, connect, group, Lock, main, sleep, tcpServer, until } from '../dist/index.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const WIDTH = 1160;
const CLIENTS = 400;
/** How long the charts collect points. */
const WATCH_MS = 45_000;

/** The browser of the tests, whose module is TypeScript. */
async function loadChromium() {
  const input = `${root}test/support/chromium.ts`;
  const bundle = await rolldown({ input, platform: 'node', external: /^node:/ });
  const { output } = await bundle.generate({ format: 'esm' });
  await bundle.close();
  const code = Buffer.from(output[0].code).toString('base64');
  return (await import(`data:text/javascript;base64,${code}`)).Chromium;
}

function* echo(socket) {
  for (;;) {
    const data = yield* socket.recv();
    if (data.length === 0) return;
    yield* socket.sendAll(data);
  }
}

/** Talks, disconnects and connects again. The load of all clients rises and falls. */
function* client(address, number, now) {
  for (;;) {
    const socket = yield* connect(address);
    try {
      for (let i = 0; i < 20 + (number % 50); i++) {
        yield* socket.sendAll('x'.repeat(200 + ((number * 37) % 3000)));
        yield* socket.recv();
        yield* sleep(60 + ((number * 13) % 300) + 150 * (1 + Math.sin(now() / 6000)));
      }
    } finally {
      socket.close();
    }
  }
}

function* ledgerEntry(ledger, number) {
  for (;;) {
    yield* ledger.with(() => sleep(20 + number * 15));
    yield* sleep(5);
  }
}

function* produce(events) {
  for (let number = 0; ; number++) yield* events.send(number);
}

function* consume(events) {
  for (;;) {
    yield* events.receive();
    yield* sleep(25);
  }
}

/** The program of the picture. `draw` receives the URL of the page. */
function* program(draw) {
  yield* group(function* (tasks) {
    const server = yield* start(tasks, 'echo server', (onListening) => {
      return tcpServer('127.0.0.1:25000', echo, { onListening });
    });
    yield* start(tasks, 'health', (onListening) => {
      return health('127.0.0.1:9090', { inspect: true, onListening });
    });
    const ledger = new Lock('ledger');
    for (let i = 0; i < 4; i++) {
      tasks.spawn(() => ledgerEntry(ledger, i), { name: `ledger entry ${i}`, daemon: true });
    }
    const events = new Channel(64, 'events');
    tasks.spawn(() => produce(events), { name: 'event producer', daemon: true });
    tasks.spawn(() => consume(events), { name: 'event consumer', daemon: true });
    const load = () =>
      group(function* (clients) {
        for (let i = 0; i < CLIENTS; i++) {
          clients.spawn(() => client(server.address, i, () => performance.now()), {
            name: `client ${i}`,
          });
        }
      });
    tasks.spawn(load, { name: 'load', daemon: true });
    yield* until(draw('http://127.0.0.1:9090/'));
    tasks.cancel();
  });
}

/** Spawns a server and waits until it listens. */
function* start(tasks, name, serve) {
  let listening;
  tasks.spawn(() => serve((server) => (listening = server)), { name, daemon: true });
  while (listening === undefined) yield* sleep(1);
  return listening;
}

async function draw(url) {
  const Chromium = await loadChromium();
  const browser = await Chromium.start();
  try {
    await browser.show(WIDTH, 800);
    await browser.open(url);
    await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
    const code = `${round} ${PageDrawing} return new PageDrawing().svg();`;
    const svg = await browser.evaluate(`(() => { ${code} })()`);
    writeFileSync(`${root}docs/pictures/live-page.svg`, svg);
    console.log(`docs/pictures/live-page.svg: ${svg.length} characters`);
  } finally {
    await browser.close();
  }
}

/** Runs in the page: draws its visible elements as an SVG document. */
class PageDrawing {
  /** The classes of the drawing, by their declarations. */
  #classes = new Map();
  #parts = [];

  svg() {
    const width = innerWidth;
    const height = Math.ceil(document.querySelector('main').getBoundingClientRect().bottom + 24);
    for (const child of document.body.children) this.#add(child);
    const rules = [...this.#classes].map(([declarations, name]) => `.${name}{${declarations}}`);
    const page = getComputedStyle(document.body).backgroundColor;
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">`,
      '<title>The live page of a server: charts, the tree of tasks, the connections</title>',
      `<style>text{white-space:pre;font-variant-numeric:tabular-nums}${rules.join('')}</style>`,
      `<rect width="${width}" height="${height}" rx="12" fill="${page}"/>`,
      ...this.#parts,
      '</svg>',
      '',
    ].join('\n');
  }

  #add(node) {
    if (node.nodeType === Node.TEXT_NODE) return this.#addLines(node);
    if (node.nodeType !== Node.ELEMENT_NODE || node.matches('.skip, script, noscript')) return;
    const box = node.getBoundingClientRect();
    if (box.width === 0 || box.height === 0) return;
    if (node.tagName === 'svg') return this.#addGraphic(node, box);
    this.#addBox(getComputedStyle(node), box);
    if (node.matches('.indent')) this.#addGuides(box);
    if (node.matches('input') && node.value === '') this.#addPlaceholder(node, box);
    for (const child of node.childNodes) this.#add(child);
  }

  #class(declarations) {
    if (!this.#classes.has(declarations)) this.#classes.set(declarations, `s${this.#classes.size}`);
    return this.#classes.get(declarations);
  }

  #addBox(style, box) {
    const hasFrame = Number.parseFloat(style.borderTopWidth) > 0;
    const isClear = /^transparent$|, 0\)$/.test(style.backgroundColor);
    if (!isClear || hasFrame) return this.#addRectangle(style, box, { hasFrame, isClear });
    if (Number.parseFloat(style.borderBottomWidth) === 0) return;
    const line = `M${round(box.left)} ${round(box.bottom - 0.5)}H${round(box.right)}`;
    this.#addPath(line, style.borderBottomColor);
  }

  #addRectangle(style, box, { hasFrame, isClear }) {
    const inset = hasFrame ? 0.5 : 0;
    const radius = Math.min(Number.parseFloat(style.borderTopLeftRadius) || 0, box.height / 2);
    const fill = `fill:${isClear ? 'none' : style.backgroundColor}`;
    const look = hasFrame ? `${fill};stroke:${style.borderTopColor}` : fill;
    const place = `x="${round(box.left + inset)}" y="${round(box.top + inset)}"`;
    const [width, height] = [box.width, box.height].map((length) => round(length - 2 * inset));
    const size = `width="${width}" height="${height}" rx="${round(radius)}"`;
    this.#parts.push(`<rect ${place} ${size} class="${this.#class(look)}"/>`);
  }

  #addPath(line, color) {
    this.#parts.push(`<path d="${line}" class="${this.#class(`stroke:${color}`)}"/>`);
  }

  /** The lines that show the levels of the tree, which are a background of the page. */
  #addGuides(box) {
    const color = getComputedStyle(document.documentElement).getPropertyValue('--line');
    for (let x = box.left + 7.5; x < box.right; x += 16) {
      this.#addPath(`M${round(x)} ${round(box.top)}V${round(box.bottom)}`, color);
    }
  }

  #addPlaceholder(input, { left, top, bottom }) {
    const line = { text: input.placeholder, top, bottom, left: left + 12, right: left + 43 };
    this.#addText(line, getComputedStyle(input, '::placeholder'));
  }

  /** The browser breaks a text between words. */
  #addLines(node) {
    const lines = [];
    const range = document.createRange();
    for (const { index, 0: word } of node.data.matchAll(/\S+/g)) {
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const [box] = range.getClientRects();
      if (box === undefined) continue;
      const { top, bottom, left, right } = box;
      const last = lines.at(-1);
      if (last?.top !== top) lines.push({ text: word, top, bottom, left, right });
      else Object.assign(last, { text: `${last.text} ${word}`, right });
    }
    for (const line of lines) this.#addText(line, getComputedStyle(node.parentElement));
  }

  /** The width of a text is fixed, because other machines have other fonts. */
  #addText({ text, top, bottom, left, right }, { color, fontSize, fontWeight, fontFamily }) {
    const family = fontFamily.includes('monospace') ? 'monospace' : 'sans-serif';
    const look = this.#class(`fill:${color};font:${fontWeight} ${fontSize} ${family}`);
    const baseline = (top + bottom) / 2 + Number.parseFloat(fontSize) * 0.36;
    const width = text.length > 1 ? ` textLength="${round(right - left)}"` : '';
    const place = `x="${round(left)}" y="${round(baseline)}"${width}`;
    const escaped = text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
    this.#parts.push(`<text ${place} class="${look}">${escaped}</text>`);
  }

  #addGraphic(svg, box) {
    const isPlot = svg.closest('.plot') !== null;
    const shapes = [...svg.children].map((shape) => this.#copyOf(shape, isPlot));
    const place = `x="${round(box.left)}" y="${round(box.top)}"`;
    const size = `width="${round(box.width)}" height="${round(box.height)}"`;
    const view = `viewBox="${svg.getAttribute('viewBox')}"`;
    const ratio = isPlot ? ' preserveAspectRatio="none"' : '';
    this.#parts.push(`<svg ${place} ${size} ${view}${ratio}>${shapes.join('')}</svg>`);
  }

  #copyOf(shape, isPlot) {
    const { fill, stroke, strokeWidth, strokeDasharray, visibility } = getComputedStyle(shape);
    if (visibility === 'hidden') return '';
    const dashes = strokeDasharray === 'none' ? '' : `;stroke-dasharray:${strokeDasharray}`;
    const line = stroke === 'none' ? '' : `;stroke:${stroke};stroke-width:${strokeWidth}${dashes}`;
    const scaling = isPlot ? ';vector-effect:non-scaling-stroke' : '';
    const copy = shape.cloneNode();
    copy.setAttribute('class', this.#class(`fill:${fill}${line}${scaling}`));
    const isTurned = shape.closest('[aria-expanded="true"] .twist') !== null;
    if (isTurned) copy.setAttribute('transform', 'rotate(90 8 8)');
    return copy.outerHTML.replace(' xmlns="http://www.w3.org/2000/svg"', '');
  }
}

/** Runs in the page too. */
function round(value) {
  return String(Math.round(value * 10) / 10);
}

process.title = 'bank';
await main(() => program(draw));
