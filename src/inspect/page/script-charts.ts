/** The live page's script, part 2: charts of up to two minutes, drawn as SVG. */
export const CHART_SCRIPT: string = `
/** The time that a chart shows at first, and later, and the most points that are kept. */
const MIN_WINDOW_MS = 30_000;
const MAX_WINDOW_MS = 120_000;
const MAX_POINTS = 300;
/** The coordinates of a plot; the size on the screen is that of its element. */
const WIDTH = 1000;
const HEIGHT = 100;

/** The top of a scale: the next of 1, 1.5, 2, 3, 5, 8, 10, 15, … that is above the value. */
function scaleTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const tops = [1, 1.5, 2, 3, 5, 8, 10, 15].map((step) => step * power);
  return tops.find((top) => top >= value * 1.08);
}

/** The same number without zeros at its end. */
function shortText({ digits, unit }) {
  return unitText({ digits: digits.includes('.') ? String(Number(digits)) : digits, unit });
}

/** One chart. A point is { at, values }; a value of null leaves a gap. */
class Chart {
  constructor({ title, names = [''], unit = scaledCount, suffix = '', least = 1 }) {
    this.title = title;
    this.unit = unit;
    this.suffix = suffix;
    this.least = least;
    this.atLabel = element('span', 'at');
    this.values = names.map((name) => {
      return { number: element('b'), note: element('small'), name };
    });
    const values = this.values.map(({ number, note }, index) => {
      const swatches = names.length > 1 ? [element('i', 'swatch c' + index)] : [];
      return element('div', 'value', ...swatches, number, note);
    });
    this.svg = svgElement('svg', {
      viewBox: '0 0 ' + WIDTH + ' ' + HEIGHT, preserveAspectRatio: 'none', role: 'img',
    });
    for (const y of [0, HEIGHT / 2, HEIGHT]) {
      this.svg.append(svgElement('line', { class: 'grid', x1: 0, x2: WIDTH, y1: y, y2: y }));
    }
    this.series = names.map((name, index) => {
      const rank = index === 0 ? '' : ' second';
      const [area, line] = ['area', 'line'].map((kind) => {
        return svgElement('path', { class: kind + rank });
      });
      this.svg.append(area, line);
      return { area, line };
    });
    this.cursor = svgElement('line', { class: 'cursor', y1: 0, y2: HEIGHT, visibility: 'hidden' });
    this.svg.append(this.cursor);
    this.topLabel = element('span', 'top-label');
    this.plot = element('div', 'plot', this.svg, this.topLabel);
    const heading = element('h3', '', title, this.atLabel);
    const list = element('div', names.length > 1 ? 'values pair' : 'values', ...values);
    this.element = element('figure', 'chart', heading, list, this.plot);
  }

  /** Draws the points; 'shown' is the one whose values are printed, the last one by default. */
  draw(points, { now, windowMs, shown }) {
    const last = points.at(-1);
    const from = now - windowMs;
    const found = points.flatMap(({ values }) => values.filter((value) => value !== null));
    const top = scaleTop(Math.max(this.least, ...found));
    const place = (at, value) => {
      const x = ((at - from) / windowMs) * WIDTH;
      return x.toFixed(1) + ' ' + (HEIGHT - (value / top) * HEIGHT).toFixed(1);
    };
    this.series.forEach(({ line, area }, index) => {
      const parts = runsOf(points, index);
      const lines = parts.map((part) => {
        return 'M' + part.map(({ at, values }) => place(at, values[index])).join('L');
      });
      line.setAttribute('d', lines.join(''));
      area.setAttribute('d', lines.map((d, number) => {
        const part = parts[number];
        return d + 'L' + place(part.at(-1).at, 0) + 'L' + place(part[0].at, 0) + 'Z';
      }).join(''));
    });
    setText(this.topLabel, shortText(this.unit(top)) + this.suffix);
    this.#print(shown ?? last, shown === undefined ? null : now - shown.at);
    const x = shown === undefined ? 0 : ((shown.at - from) / windowMs) * WIDTH;
    this.cursor.setAttribute('visibility', shown === undefined ? 'hidden' : 'visible');
    for (const end of ['x1', 'x2']) this.cursor.setAttribute(end, x.toFixed(1));
  }

  #print(point, agoMs) {
    setText(this.atLabel, agoMs === null ? '' : Math.round(agoMs / 1000) + ' s ago');
    const texts = this.values.map(({ number, note, name }, index) => {
      const value = point?.values[index] ?? null;
      const { digits, unit } = value === null ? { digits: '–', unit: '' } : this.unit(value);
      setText(number, digits);
      setText(note, [unit + this.suffix, name].filter(Boolean).join(' '));
      return digits + ' ' + note.textContent;
    });
    this.svg.setAttribute('aria-label', this.title + ': ' + texts.join(', '));
  }
}

/** The runs of consecutive points that have a value. */
function runsOf(points, index) {
  const runs = [];
  let run = [];
  for (const point of points) {
    if (point.values[index] === null) run = [];
    else if (run.push(point) === 1) runs.push(run);
  }
  return runs;
}

/** All charts. The pointer over one of them shows the values of its time in all. */
class Charts {
  constructor(parent, charts) {
    this.charts = charts;
    this.points = [];
    this.pointer = null;
    parent.append(...charts.map((chart) => chart.element));
    for (const { plot } of charts) {
      plot.addEventListener('pointermove', (event) => {
        const box = plot.getBoundingClientRect();
        this.pointer = (event.clientX - box.left) / box.width;
        this.draw();
      });
      plot.addEventListener('pointerleave', () => {
        this.pointer = null;
        this.draw();
      });
    }
  }

  /** Adds a point: the time, and for each chart its values. */
  add(at, valuesOfCharts) {
    this.points.push({ at, valuesOfCharts });
    const isOld = ({ at: time }) => time < at - MAX_WINDOW_MS;
    while (this.points.length > MAX_POINTS || isOld(this.points[0])) this.points.shift();
    this.draw();
  }

  clear() {
    this.points = [];
  }

  get windowMs() {
    const spanMs = (this.points.at(-1)?.at ?? 0) - (this.points[0]?.at ?? 0);
    return Math.min(MAX_WINDOW_MS, Math.max(MIN_WINDOW_MS, spanMs));
  }

  draw() {
    const now = this.points.at(-1)?.at;
    if (now === undefined) return;
    const { windowMs, pointer } = this;
    const shown = pointer === null ? -1 : this.#nearest(now - (1 - pointer) * windowMs);
    this.charts.forEach((chart, index) => {
      const points = this.points.map(({ at, valuesOfCharts }) => {
        return { at, values: valuesOfCharts[index] };
      });
      chart.draw(points, { now, windowMs, shown: points[shown] });
    });
  }

  #nearest(time) {
    const distances = this.points.map(({ at }) => Math.abs(at - time));
    return distances.indexOf(Math.min(...distances));
  }
}
`;
