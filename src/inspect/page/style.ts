/** The style of the live page. */
export const PAGE_STYLE: string = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --line: #e3e7ec; --line-strong: #cdd4dc;
  --text: #18212c; --muted: #5a6674; --hover: #f1f4f8;
  --one: #2563c9; --one-soft: #2563c91f; --two: #0f8a6c; --two-soft: #0f8a6c1f;
  --good: #14804f; --warn: #96610a; --bad: #b3312b;
  --good-soft: #14804f17; --warn-soft: #96610a1a; --bad-soft: #b3312b17;
  --mono: ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace;
  --sans: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1217; --card: #161b22; --line: #262d37; --line-strong: #3a4452;
    --text: #e4e9ef; --muted: #97a3b1; --hover: #1d242d;
    --one: #6ea2f7; --one-soft: #6ea2f726; --two: #4cc7a2; --two-soft: #4cc7a226;
    --good: #56c596; --warn: #deb063; --bad: #f08a83;
    --good-soft: #56c5961f; --warn-soft: #deb0631f; --bad-soft: #f08a831f;
  }
}
*, *::before, *::after { box-sizing: border-box; }
[hidden] { display: none !important; }
body {
  margin: 0; padding: 0 24px 48px; background: var(--page); color: var(--text);
  font: 14px/1.45 var(--sans); font-variant-numeric: tabular-nums;
  -webkit-text-size-adjust: 100%;
}
.top, main { max-width: 1440px; margin: 0 auto; }
h1, h2, h3, p { margin: 0; }
h1 { font-size: 18px; font-weight: 650; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { font-size: 15px; font-weight: 650; }
h3 { font-size: 13px; font-weight: 600; color: var(--muted); }
:focus-visible { outline: 2px solid var(--one); outline-offset: 2px; border-radius: 4px; }
h2:focus { outline: none; }
.skip { position: absolute; left: -9999px; }
.skip:focus { left: 24px; top: 8px; background: var(--card); padding: 6px 10px; z-index: 2; }

.top { display: flex; align-items: center; gap: 14px; padding: 20px 0 18px; }
.mark { width: 32px; height: 32px; flex: none; fill: var(--one); }
.mark .corona {
  fill: none; stroke: var(--one); stroke-width: 1.6; stroke-dasharray: 2.2 4.6; opacity: 0.65;
}
.identity { min-width: 0; flex: 1; }
#facts { color: var(--muted); font-size: 13px; }
.controls { display: flex; align-items: center; gap: 10px; flex: none; }
.status {
  display: inline-flex; align-items: center; gap: 7px; padding: 4px 11px; border-radius: 99px;
  font-size: 13px; font-weight: 550; background: var(--warn-soft); color: var(--warn);
}
.dot { width: 7px; height: 7px; border-radius: 50%; background: currentcolor; }
.status[data-state='live'] { background: var(--good-soft); color: var(--good); }
.status[data-state='lost'] { background: var(--bad-soft); color: var(--bad); }
.status[data-state='paused'] { background: var(--hover); color: var(--muted); }
button, input {
  font: inherit; font-size: 13px; color: inherit; background: var(--card);
  border: 1px solid var(--line-strong); border-radius: 7px; padding: 4px 11px; min-height: 30px;
}
button { cursor: pointer; font-weight: 500; }
button:hover { background: var(--hover); }
input { width: 150px; min-width: 0; }
input::placeholder { color: var(--muted); opacity: 1; }

.heading { display: flex; align-items: baseline; flex-wrap: wrap; gap: 4px 12px; }
.note { color: var(--muted); font-size: 13px; }
section > .heading { margin-bottom: 10px; }
.card, .chart {
  background: var(--card); border: 1px solid var(--line); border-radius: 11px; min-width: 0;
}
.card { padding: 16px 18px 14px; }
.charts { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 14px; }
.chart { display: flex; flex-direction: column; padding: 13px 15px 13px; margin: 0; }
.chart h3 { display: flex; justify-content: space-between; gap: 8px; }
.chart .at { font-weight: 400; white-space: nowrap; }
.values { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 14px; margin-bottom: 20px; }
.value { white-space: nowrap; }
.value b { font-size: 22px; font-weight: 600; letter-spacing: -0.02em; }
.value small { font-size: 13px; color: var(--muted); margin-left: 4px; }
.pair .value b { font-size: 18px; }
.value .swatch { margin-right: 6px; }
.plot { position: relative; height: 56px; margin-top: auto; touch-action: pan-y; }
.plot svg { display: block; width: 100%; height: 100%; overflow: visible; }
.plot .grid { stroke: var(--line); stroke-width: 1; }
.plot .cursor { stroke: var(--line-strong); stroke-width: 1; }
.plot path { vector-effect: non-scaling-stroke; stroke-linejoin: round; }
.plot line { vector-effect: non-scaling-stroke; }
.plot .line { fill: none; stroke: var(--one); stroke-width: 1.6; }
.plot .area { fill: var(--one-soft); stroke: none; }
.plot .line.second { stroke: var(--two); }
.plot .area.second { fill: var(--two-soft); }
.plot .top-label {
  position: absolute; top: -17px; right: 0; font-size: 11px; line-height: 16px;
  color: var(--muted);
}

.columns {
  display: grid; grid-template-columns: minmax(0, 1.75fr) minmax(0, 1fr); gap: 14px;
  margin-top: 22px; align-items: start;
}
.stack, .resources { display: grid; gap: 14px; min-width: 0; }
.resources { grid-template-columns: repeat(2, minmax(0, 1fr)); align-items: start; }
.resources:not(:has(> :not([hidden]))) { display: none; }
.tools { display: flex; gap: 8px; margin-left: auto; }
table { width: 100%; border-collapse: collapse; }
th {
  text-align: left; font-size: 12px; font-weight: 550; color: var(--muted);
  padding: 4px 8px 6px 0; border-bottom: 1px solid var(--line); vertical-align: bottom;
}
td { padding: 5px 8px 5px 0; border-bottom: 1px solid var(--line); vertical-align: baseline; }
tr:last-child > td { border-bottom: 0; }
td:last-child, th:last-child { padding-right: 0; }
td.text { overflow-wrap: anywhere; }
.number { text-align: right; white-space: nowrap; }
.mono, .tree .name, .waits { font-family: var(--mono); font-size: 12.5px; }
.empty { color: var(--muted); padding: 10px 0 4px; }
.notice { padding: 12px 0; color: var(--bad); }

.tree, .tree thead, .tree tbody { display: block; }
.tree tr {
  display: grid; grid-template-columns: minmax(0, 1.5fr) minmax(0, 1fr) 76px; column-gap: 14px;
  line-height: 20px; border-radius: 5px;
}
.tree tbody tr:hover { background: var(--hover); }
.tree tbody tr:focus-visible { outline-offset: -2px; }
.tree td { border: 0; padding: 3px 0; }
.tree .number { padding-right: 6px; }
.tree thead tr { border-bottom: 1px solid var(--line); border-radius: 0; margin-bottom: 5px; }
.tree th { padding-top: 0; border-bottom: 0; }
.tree td.number { font-size: 13px; color: var(--muted); }
.tree { max-height: max(420px, 80vh); overflow-y: auto; }
.tree thead { position: sticky; top: 0; background: var(--card); z-index: 1; }
.tree td:first-child { display: flex; }
.tree .task { display: flex; flex: 1; align-items: baseline; min-width: 0; }
.tree .task > .indent {
  flex: none; align-self: stretch; margin: -3px 0; width: calc(var(--level) * 16px);
  background: repeating-linear-gradient(
    to right, transparent 0 7px, var(--line) 7px 8px, transparent 8px 16px);
}
.twist {
  flex: none; width: 16px; height: 16px; align-self: flex-start; margin-top: 2px; cursor: pointer;
}
.twist path { fill: var(--muted); transform-origin: 8px 8px; }
[aria-expanded='true'] .twist path { transform: rotate(90deg); }
tr:not([aria-expanded]) .twist path { visibility: hidden; }
.tree .name { overflow-wrap: anywhere; }
.tree .id { color: var(--muted); font-size: 12px; margin-left: 8px; }
.count {
  flex: none; font-size: 12px; font-weight: 600; padding: 0 7px; margin: 0 8px 0 0; border: 0;
  min-height: 0; line-height: 19px; border-radius: 99px; background: var(--one-soft);
  color: var(--one);
}
.count:enabled:hover { background: var(--one); color: var(--card); }
.count:disabled { cursor: default; }
.merge {
  font-size: 12px; line-height: 17px; min-height: 0; padding: 0 7px; margin-left: 8px;
  border-radius: 99px; color: var(--muted);
}
.source {
  display: block; color: var(--muted); font-size: 12px; line-height: 16px; overflow-wrap: anywhere;
}
.waits { color: var(--muted); overflow-wrap: anywhere; }
.waits.ready { color: var(--good); }
.waits.cancelled { color: var(--warn); }

.bar { display: flex; gap: 2px; height: 10px; margin: 4px 0 10px; }
.bar i { min-width: 3px; border-radius: 2px; background: var(--line-strong); }
.bar i:first-child { border-radius: 5px 2px 2px 5px; }
.bar i:last-child { border-radius: 2px 5px 5px 2px; }
.bar i:only-child { border-radius: 5px; }
.swatch {
  display: inline-block; width: 8px; height: 8px; border-radius: 2px; margin-right: 8px;
  background: var(--line-strong);
}
.c0 { background: var(--one) !important; } .c1 { background: var(--two) !important; }
.c2 { background: var(--warn) !important; } .c3 { background: var(--muted) !important; }

@media (max-width: 1080px) {
  .charts { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .columns { grid-template-columns: minmax(0, 1fr); }
}
@media (max-width: 600px) {
  body { padding: 0 14px 32px; }
  .top { flex-wrap: wrap; padding: 14px 0; gap: 10px 12px; }
  .controls { width: 100%; justify-content: space-between; }
  .charts { gap: 10px; }
  .chart { padding: 10px 12px 9px; }
  .value b { font-size: 19px; }
  .pair .value b { font-size: 15px; }
  .card { padding: 14px 14px 12px; }
  .resources { grid-template-columns: minmax(0, 1fr); }
  .tree { max-height: none; }
  .tools { margin: 4px 0 0; width: 100%; }
  .tools input { flex: 1; }
  .tree tr { grid-template-columns: minmax(0, 1fr) auto; column-gap: 10px; row-gap: 0; }
  .tree td:nth-child(2) {
    grid-row: 2; grid-column: 1 / 3; padding: 0 0 4px calc(var(--level) * 11px + 16px);
  }
  .tree td:nth-child(2):empty { display: none; }
  .tree th:nth-child(2) { display: none; }
  .tree .task > .indent { width: calc(var(--level) * 11px); background: none; }
}
@media (prefers-reduced-motion: no-preference) {
  .twist path { transition: transform 0.12s; }
  .status[data-state='live'] .dot { animation: pulse 2.4s ease-in-out infinite; }
  @keyframes pulse { 50% { opacity: 0.35; } }
}
@media print { .tools, .controls button { display: none; } }
`;
