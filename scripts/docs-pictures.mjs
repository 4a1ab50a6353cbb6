/**
 * `npm run docs:pictures`: draws failing runs with the code of the page that `coronet sim --report`
 * writes: docs/pictures/failing-seed.svg is a shrunk run of examples/simulation/two-leaders.ts, and
 * race.svg is the one of the tutorial. The same seed produces the same picture on every machine.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const page = new URL('../build/compiled/cli/sim/story/page/', import.meta.url);
const TEXT_WIDTH = 430;
/** On the right of the columns, for a title that is wider than they are. */
const MARGIN = 80;
const HEAD = 64;
const PADDING = 16;

/** The least of a document that the drawing code needs: elements that become markup. */
class Element {
  #attributes = '';
  #children = [];
  #name;
  style = { setProperty() {} };

  constructor(name) {
    this.#name = name;
  }

  setAttribute(name, value) {
    this.#attributes += ` ${name}="${escaped(`${value}`)}"`;
  }

  append(...children) {
    this.#children.push(...children);
  }

  set textContent(text) {
    this.#children = [text];
  }

  get text() {
    return this.#children.map((child) => child.text ?? child).join('');
  }

  get markup() {
    const inside = this.#children.map((child) => child.markup ?? escaped(child)).join('');
    return `<${this.#name}${this.#attributes}>${inside}</${this.#name}>`;
  }
}

function escaped(text) {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

globalThis.document = {
  createElement: (name) => new Element(name),
  createElementNS: (_, name) => new Element(name),
};
globalThis.window = {};

const { svg } = await import(new URL('dom.js', page));
const { drawChart } = await import(new URL('draw.js', page));
const { Layout } = await import(new URL('layout.js', page));
const { timelineOf } = await import(new URL('rows.js', page));
const { clip, colorOf, describe, timeText } = await import(new URL('texts.js', page));
const { DRAWING_STYLE } = await import(new URL('../style.js', page));

const target = process.argv[2] ?? join(root, 'docs/pictures');
mkdirSync(target, { recursive: true });
writeFileSync(join(target, 'failing-seed.svg'), picture(twoLeaders()));
// The last line of the history is sent, and the newcomer misses the next one.
writeFileSync(join(target, 'race.svg'), picture(race(), { since: 103, hasTexts: false }));

function twoLeaders() {
  const text = readFileSync(join(root, 'examples/simulation/two-leaders.ts'), 'utf8');
  // Without the campaigns at its end, which print the output that a test compares.
  const example = text.slice(0, text.indexOf('\ntry {'));
  const scenario = "export { scenario as default } from './example.ts';\n";
  const files = { 'example.ts': example, 'two-leaders.ts': scenario };
  return storyOf(files, 'two-leaders.js', ['--runs', '100']);
}

/** The wrong version of step 7 of the tutorial, with the replay token that its page shows. */
function race() {
  const step = join(root, 'examples/tutorial/7-race');
  const page = readFileSync(join(root, 'docs/tutorial/7-race.md'), 'utf8');
  const files = Object.fromEntries(
    readdirSync(step).map((name) => [name, readFileSync(join(step, name), 'utf8')]),
  );
  const [, change] = /^```diff\n([\s\S]*?)^```/m.exec(page);
  const without = (sign) => change.replace(new RegExp(`^[${sign}].*\\n`, 'gm'), '');
  const [before, after] = ['+', '-'].map((sign) => without(sign).replace(/^./gm, ''));
  files['session.ts'] = files['session.ts'].replace(before, () => after);
  const [, token] = /--replay (\S+)/.exec(page);
  return storyOf(files, 'join.js', ['--replay', token]);
}

/** Runs the command on `file`, and takes the story out of the page that it writes. */
function storyOf(files, file, args) {
  mkdirSync(join(root, 'build'), { recursive: true });
  const folder = mkdtempSync(join(root, 'build/pictures-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      const { code } = transformSync(text, { loader: 'ts', target: 'node20' });
      const renamed = code.replace(/(["']\.\/[\w-]+)\.ts(["'])/g, '$1.js$2');
      writeFileSync(join(folder, name.replace('.ts', '.js')), renamed);
    }
    const report = join(folder, 'story.html');
    const command = [join(root, 'dist/cli/main.js'), 'sim', join(folder, file), ...args];
    const { status, stderr } = spawnSync(process.execPath, [...command, '--report', report]);
    if (status !== 1) throw new Error(`Expected a failed run: ${stderr}`);
    const [, json] = / id="story">(.*)<\/script>\n/.exec(readFileSync(report, 'utf8'));
    return JSON.parse(json);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Draws the events from the virtual time `since` on. */
function picture(story, { since = 0, hasTexts = true } = {}) {
  const all = timelineOf(story);
  // The host of the scenario only waits, and other hosts begin and accept as expected.
  const rows = all.rows.filter(({ at, mark, kind }) => {
    return at >= since && mark !== 'start' && mark !== 'accept' && kind !== 'choice';
  });
  const timeline = { ...all, rows: rows.map((row, index) => Object.assign(row, { index })) };
  const filter = { hiddenHosts: new Set([0]), task: '', showsSteps: false, showsControl: false };
  const columns = { minColumn: 120, expanded: new Set() };
  const layout = new Layout(story, timeline, { ...filter, ...columns });
  const { width, height } = layout;
  const window = { first: 0, end: layout.rows.length, top: 0, bottom: height, visibleTop: 0 };
  const chart = svg('g', { transform: `translate(0 ${HEAD})` });
  chart.append(drawChart(layout, window, null));
  for (const [index, row] of layout.rows.entries()) chart.append(...texts(layout, row, index));
  const size = { width: width + (hasTexts ? TEXT_WIDTH : MARGIN), height: height + HEAD + PADDING };
  const box = `0 0 ${size.width} ${size.height}`;
  const image = svg('svg', { xmlns: 'http://www.w3.org/2000/svg', ...size, viewBox: box });
  image.append(
    svg('title', {}, `A failing seed: ${story.failure.message}`),
    style(),
    svg('rect', { class: 'ground', ...size, rx: 10 }),
    svg('text', { class: 'title', x: PADDING, y: 26 }, `✖ ${story.failure.message}`),
    ...layout.columns.map(({ center, name, host }) => {
      return svg('text', { class: `head ${colorOf(host)}`, x: center, y: 54 }, name);
    }),
    chart,
  );
  return `${image.markup.replaceAll('><', '>\n<')}\n`;

  function texts(placed, row, index) {
    const y = placed.topOf(index) + 17;
    const before = placed.rows[index - 1];
    const time = before !== undefined && before.until === row.at ? '' : timeText(row.at);
    const words = describe(story, timeline, row).map((part) => part.text);
    const text = svg('text', { class: `what ${row.kind} ${row.mark}`, x: width + 14, y });
    const host = svg('tspan', { class: `host ${colorOf(row.host)}` }, words[0]);
    text.append(host, ` ${clip(words.slice(1).join(' '), 56)}`);
    return [svg('text', { class: 'time', x: 90, y }, time), ...(hasTexts ? [text] : [])];
  }
}

/** The colours of the page, for light and dark systems, and the texts of this picture. */
function style() {
  const rules = `${DRAWING_STYLE}
.ground { fill: var(--bg); stroke: var(--line); }
text { font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--text); }
.title { font-size: 16px; font-weight: 650; fill: var(--bad); }
.head, .host { font-weight: 650; fill: var(--c); } .head { text-anchor: middle; }
.time { text-anchor: end; font: 11.5px ui-monospace, monospace; fill: var(--dim); }
.what.lose, .what.partition, .what.failure { fill: var(--bad); }`;
  const element = svg('style', {});
  element.append({ markup: rules.replaceAll('\n', ' '), text: '' });
  return element;
}
