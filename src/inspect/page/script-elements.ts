/**
 * The live page's script, part 1: elements and units. Texts of the program are untrusted, so every
 * text becomes a text node.
 */
export const ELEMENT_SCRIPT: string = `
function byId(id) {
  return document.getElementById(id);
}

/** An element. A child that is not a node becomes text. */
function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return made;
}

function svgElement(tag, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Replaces the text of an element only if it has changed, which keeps selections. */
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

const wholeNumbers = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

function countText(value) {
  return wholeNumbers.format(value);
}

/** A number with three digits, and a unit: { digits: '1.24', unit: 'MB' }. */
function scaled(value, base, units) {
  let rest = value;
  let at = 0;
  while (rest >= 999.5 && at < units.length - 1) {
    rest /= base;
    at++;
  }
  const decimals = rest >= 99.5 || at === 0 ? 0 : rest >= 9.95 ? 1 : 2;
  return { digits: rest.toFixed(decimals), unit: units[at] };
}

function scaledCount(value) {
  if (value < 10_000) return { digits: countText(value), unit: '' };
  return scaled(value, 1000, ['', 'k', 'M', 'G', 'T']);
}

function scaledBytes(value) {
  return scaled(value, 1000, ['B', 'kB', 'MB', 'GB', 'TB']);
}

function scaledMs(value) {
  if (value >= 1000) return { digits: (value / 1000).toFixed(value < 9950 ? 2 : 1), unit: 's' };
  const decimals = value >= 99.5 || Number.isInteger(value) ? 0 : 1;
  return { digits: value.toFixed(decimals), unit: 'ms' };
}

function scaledPercent(value) {
  return { digits: value.toFixed(0), unit: '%' };
}

function unitText({ digits, unit }) {
  return unit === '' ? digits : digits + ' ' + unit;
}

/** A length of time in one or two units: '340 ms', '12.4 s', '3 min 20 s', '2 d 4 h'. */
function durationText(ms) {
  if (ms < 1000) return Math.round(ms) + ' ms';
  if (ms < 59_950) return (ms / 1000).toFixed(1) + ' s';
  const parts = [
    { value: Math.floor(ms / 86_400_000), unit: 'd' },
    { value: Math.floor(ms / 3_600_000) % 24, unit: 'h' },
    { value: Math.floor(ms / 60_000) % 60, unit: 'min' },
    { value: Math.floor(ms / 1000) % 60, unit: 's' },
  ];
  const first = parts.findIndex(({ value }) => value > 0);
  const shown = parts.slice(first, first + 2).filter(({ value }) => value > 0);
  return shown.map(({ value, unit }) => value + ' ' + unit).join(' ');
}
`;
