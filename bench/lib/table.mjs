// Plain text tables: the first column is left-aligned, the others right-aligned.

/** A number with a fixed number of digits; a dash if it is missing. */
export function digits(value, count = 2) {
  return Number.isFinite(value) ? value.toFixed(count) : '–';
}

/** 123456 -> '123 456' */
export function grouped(value) {
  if (!Number.isFinite(value)) return '–';
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ' ');
}

export function percent(value) {
  return Number.isFinite(value) ? `${Math.round(value * 100)} %` : '–';
}

/** 64 -> '64 B', 16384 -> '16 KB' */
export function bytes(value) {
  return value >= 1024 && value % 1024 === 0 ? `${value / 1024} KB` : `${value} B`;
}

/** Rows are arrays of strings; a row shorter than the header leaves its last cells empty. */
export function table(header, rows) {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells) =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]),
      )
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '─'.repeat(width)).join('  ');
  return [line(header), rule, ...rows.map(line)].join('\n');
}
