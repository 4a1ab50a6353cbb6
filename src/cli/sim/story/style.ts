/** The style of the page of a story: light and dark, narrow windows, print. */

/** The colours, and the style of what draw.ts draws. The pictures of the docs use it as well. */
export const DRAWING_STYLE = `
:root {
  --bg: #fff; --panel: #f6f7f9; --line: #e2e5ea; --text: #1b1f27; --dim: #667085;
  --hover: #f2f5fa;
  --bad: #c62a33; --bad-bg: #fdecec; --good: #1a7f4b; --amber: #b26a00; --violet: #7a3ec8;
  --h0: #3563d9; --h1: #0f8a6d; --h2: #b4521a; --h3: #8a3fb5; --h4: #0b7fa8; --h5: #a8386b;
  --h6: #5d7a12; --h7: #5a5f73;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono",
  monospace;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
}
@media screen and (prefers-color-scheme: dark) { :root {
  --bg: #14171c; --panel: #1b1f26; --line: #2d333d; --text: #e6e9ef; --dim: #98a2b3;
  --hover: #20252e;
  --bad: #ff7a80; --bad-bg: #3a1c20; --good: #5fd39a; --amber: #f0b04a; --violet: #c39bff;
  --h0: #7ea2ff; --h1: #4fd0ac; --h2: #f3a06a; --h3: #cf94f2; --h4: #5cc4ea; --h5: #f08ab6;
  --h6: #b5cf63; --h7: #a9b0c4;
} }
.h0 { --c: var(--h0); } .h1 { --c: var(--h1); } .h2 { --c: var(--h2); } .h3 { --c: var(--h3); }
.h4 { --c: var(--h4); } .h5 { --c: var(--h5); } .h6 { --c: var(--h6); } .h7 { --c: var(--h7); }
.lifeline { stroke: var(--c); stroke-width: 1.5; opacity: .45; }
.life { fill: color-mix(in srgb, var(--c) 20%, var(--bg)); stroke: var(--c); stroke-opacity: .45;
  }
.band.cut { fill: var(--bad); opacity: .1; stroke: var(--bad); stroke-dasharray: 5 4; }
.band.hold { fill: var(--amber); opacity: .12; stroke: var(--amber); stroke-dasharray: 2 3; }
.band.down { fill: var(--dim); opacity: .22; }
.band-text { font: 600 11px var(--sans); fill: var(--dim); }
.band-text.cut { fill: var(--bad); } .band-text.hold { fill: var(--amber); }
.gap { stroke: var(--line); stroke-width: 1.5; stroke-dasharray: 1.5 5; stroke-linecap: round; }
.gap-text { font: 11px var(--mono); fill: var(--dim); text-anchor: end; }
.message { pointer-events: stroke; }
.message line { stroke: var(--c); stroke-width: 1.7; }
.message .head { fill: var(--c); }
.message.control line { stroke-width: 1; opacity: .6; } .message.control .head { opacity: .6; }
.message.flying line { stroke-dasharray: 5 4; opacity: .6; }
.message.lost line { stroke: var(--bad); stroke-dasharray: 6 3; }
.message.selected line { stroke-width: 3.2; }
.cross { stroke: var(--bad); stroke-width: 2.6; stroke-linecap: round; fill: none; }
.label { font: 11px var(--mono); fill: var(--text); paint-order: stroke; stroke: var(--bg);
  stroke-width: 4px; stroke-linejoin: round; }
.mark.step { fill: var(--c); } .mark.step.ended { fill: var(--bg); stroke: var(--c);
  stroke-width: 2; }
.mark.choice { fill: var(--violet); } .mark.fault { fill: var(--amber); stroke: var(--bg); }
rect.mark { fill: var(--c); } rect.mark.cut { fill: var(--bad); }
  rect.mark.hold { fill: var(--amber); }
.mark.failed circle { fill: var(--bad); } .mark.failed path { stroke: var(--bg);
  stroke-width: 2.2;
  stroke-linecap: round; }
.mark.error { fill: var(--bg); stroke: var(--bad); stroke-width: 2.5; }
.failure line { stroke: var(--bad); stroke-width: 2; }
`;

export const STYLE: string = `${DRAWING_STYLE}* { box-sizing: border-box; }
html { color-scheme: light dark; }
body { margin: 0; height: 100vh; display: flex; flex-direction: column; background: var(--bg);
  color: var(--text); font: 13px/1.5 var(--sans); }
header { padding: 16px 20px 12px; border-bottom: 1px solid var(--line); background: var(--panel);
  }
.headline { display: flex; gap: 12px; align-items: baseline; }
.status { flex: none; padding: 2px 10px; border-radius: 99px; background: var(--bad);
  color: var(--bg);
  font-weight: 650; font-size: 12px; transform: translateY(-2px); }
.status.ok { background: var(--good); }
h1 { margin: 0; font-size: 19px; line-height: 1.35; font-weight: 650; overflow-wrap: anywhere; }
h1 span { color: var(--bad); }
#facts { display: flex; flex-wrap: wrap; gap: 2px 0; margin: 6px 0 0; padding: 0;
  list-style: none;
  color: var(--dim); font-variant-numeric: tabular-nums; }
#facts li:not(:last-child)::after { content: "\\00b7"; margin: 0 8px; }
.note { margin: 8px 0 0; color: var(--amber); }
#commands { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 10px; }
.command { display: flex; max-width: 100%; border: 1px solid var(--line); border-radius: 7px;
  background: var(--bg); overflow: hidden; }
.command code { padding: 4px 10px; font: 12px/1.6 var(--mono); overflow-x: auto;
  white-space: nowrap; }
button { font: inherit; color: inherit; background: var(--bg); border: 1px solid var(--line);
  border-radius: 7px; padding: 3px 10px; cursor: pointer; }
button:hover { background: var(--hover); }
.copy { border: 0; border-left: 1px solid var(--line); border-radius: 0; font-weight: 600; }
:focus-visible { outline: 2px solid var(--h0); outline-offset: 1px; }
#chart:focus-visible { outline-offset: -2px; }
.filters { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; padding: 7px 20px;
  border-bottom: 1px solid var(--line); }
.filters label { display: inline-flex; gap: 5px; align-items: center; white-space: nowrap; }
#hosts { display: inline-flex; flex-wrap: wrap; gap: 6px; max-height: 84px; overflow: auto; }
.chip { padding: 1px 9px 1px 6px; border: 1px solid var(--c); border-radius: 99px;
  color: var(--c);
  font-weight: 600; }
.chip input { accent-color: var(--c); margin: 0; }
input[type=search] { font: inherit; color: inherit; background: var(--bg); padding: 3px 9px;
  width: 150px;
  border: 1px solid var(--line); border-radius: 7px; }
.space { flex: 1; }
#count { color: var(--dim); font-variant-numeric: tabular-nums; }
main { flex: 1; min-height: 0; display: grid; grid-template-columns: minmax(0, 1fr) auto; }
#chart { overflow: auto; position: relative; }
#canvas, #headings { position: relative; min-width: calc(var(--chart) + 260px); }
#headings { position: sticky; top: 0; height: 40px; z-index: 3; background: var(--bg);
  border-bottom: 1px solid var(--line); }
.time-head { position: absolute; left: 20px; width: 66px; top: 10px; text-align: right;
  color: var(--dim); }
.column { position: absolute; top: 6px; text-align: center; }
.host { border: 1px solid var(--c); color: var(--c); font-weight: 650; cursor: default; }
.host[aria-expanded] { cursor: pointer; }
.sign { margin-left: 5px; }
.drawing { position: absolute; inset: 0; z-index: 1; pointer-events: none; }
.drawing svg { position: absolute; left: 0; }
.row { position: absolute; left: 0; right: 0; height: 26px; line-height: 26px; display: flex;
  white-space: nowrap; cursor: default; }
.row:hover { background: var(--hover); }
.row.selected { background: color-mix(in srgb, var(--h0) 13%, transparent); }
.time { flex: none; width: 86px; text-align: right; font: 11.5px/26px var(--mono);
  color: var(--dim); }
.time.same { opacity: .45; }
.what { position: absolute; left: var(--chart); padding-left: 14px; right: 12px; overflow: hidden;
  text-overflow: ellipsis; }
.what > *, #details > * { margin-right: 8px; }
.what b, #details b { color: var(--c); font-weight: 650; }
.what i, #details i { font-style: normal; color: var(--dim); }
.what small, #details small { font-size: 11.5px; color: var(--dim); }
.row.step .what span, .row.arrive .what span { color: color-mix(in srgb, var(--text) 78%,
  transparent); }
.row.lose .what span, .row.crash .what span, .row.partition .what span { color: var(--bad);
  font-weight: 600; }
.row.fault .what span, .row.hold .what span { color: var(--amber); font-weight: 600; }
.row.choice .what span { color: var(--violet); }
.row.step.failed .what span { color: var(--bad); }
.row.failure { background: var(--bad-bg); }
.row.failure .what span { color: var(--bad); font-weight: 700; }
aside[hidden] { display: none; }
aside { width: 312px; overflow: auto; padding: 4px 18px 24px; border-left: 1px solid var(--line);
  background: var(--panel); }
h2 { margin: 16px 0 5px; font-size: 11.5px; letter-spacing: .06em; text-transform: uppercase;
  color: var(--dim); }
pre { margin: 0; padding: 9px 11px; font: 11.5px/1.55 var(--mono); white-space: pre-wrap;
  overflow-wrap: anywhere; background: var(--bg); border: 1px solid var(--line);
  border-radius: 7px; }
aside p { margin: 0 0 6px; }
.chain, .tasks, .choices { margin: 0; padding: 0; list-style: none; overflow-wrap: anywhere; }
.chain li + li::before { content: "in "; color: var(--dim); }
.chain li:first-child { font-weight: 650; color: var(--bad); }
.tasks li { padding: 3px 0; border-bottom: 1px solid var(--line); }
.choices li { padding: 2px 0; color: var(--violet); }
.choices button { padding: 0 7px; font: 11px/1.6 var(--mono); color: var(--text); }
footer { display: flex; flex-wrap: wrap; gap: 4px 20px; align-items: center; min-height: 34px;
  padding: 5px 20px; border-top: 1px solid var(--line); background: var(--panel); }
#details { flex: 1; min-width: 260px; overflow-wrap: anywhere; }
#details time { font: 11.5px var(--mono); color: var(--dim); }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; margin: 0; padding: 0; list-style: none;
  color: var(--dim); font-size: 12px; }
.legend li { display: inline-flex; gap: 5px; align-items: center; }
.legend svg { height: 12px; }
.l-line { stroke: var(--h0); fill: none; stroke-width: 1.6; } .l-head { fill: var(--h0); }
.l-lost { stroke: var(--bad); fill: none; stroke-width: 1.8; } .l-fault { fill: var(--amber); }
.l-choice { fill: var(--violet); }
.swatch { width: 14px; height: 12px; border-radius: 3px; background: var(--dim); opacity: .4; }
.swatch.cut { background: color-mix(in srgb, var(--bad) 30%, transparent); opacity: 1;
  border: 1px dashed var(--bad); }
#replay { position: fixed; left: -999px; top: 0; }
@media (max-width: 900px) {
  body { height: auto; } main { grid-template-columns: minmax(0, 1fr); }
  #chart { height: 75vh; } aside { width: auto; border-left: 0; border-top: 1px solid var(--line); }
  header, .filters, footer { padding-left: 12px; padding-right: 12px; } h1 { font-size: 16px; }
  .headline { flex-direction: column; gap: 4px; }
}
@media print {
  body { height: auto; } main { display: block; }
  .filters, .copy, .legend, #details { display: none; }
  #chart { overflow: visible; } aside { width: auto; border: 0; break-before: page; }
  #headings { position: static; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
