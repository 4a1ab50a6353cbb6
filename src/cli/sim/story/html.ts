/**
 * Writes a story as one HTML file: skeleton, style, the script, and the story as JSON. The
 * policy in the file allows exactly this script and this style, and no request to anywhere.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Story } from './story.ts';
import { STYLE } from './style.ts';

/** The page of a story, complete. */
export function storyPage(story: Story): string {
  const script = pageScript();
  const policy = [
    "default-src 'none'",
    `script-src '${sourceHash(script)}'`,
    `style-src '${sourceHash(STYLE)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>A simulated run</title>
<style>${STYLE}</style>
</head>
<body>
${SKELETON}
<script type="application/json" id="story">${jsonOf(story)}</script>
<script type="module">${script}</script>
</body>
</html>
`;
}

/** JSON in which no text ends the script element or begins a comment. */
function jsonOf(story: Story): string {
  return JSON.stringify(story).replaceAll('<', '\\u003c').replaceAll('>', '\\u003e');
}

/** The bundle of story-page.ts, which the build writes next to the command. */
function pageScript(): string {
  const text = readFileSync(new URL('./story-page.js', import.meta.url), 'utf8');
  return text.replace(/^\/\/# sourceMappingURL=.*$/gm, '').trim();
}

function sourceHash(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

const SKELETON = `<header>
<div class="headline"><span id="status" class="status"></span><h1 id="title"></h1></div>
<ul id="facts"></ul>
<p id="note" class="note" hidden></p>
<div id="commands" aria-label="Commands that repeat the run"></div>
</header>
<div class="filters" role="toolbar" aria-label="Filter">
<span id="hosts" role="group" aria-label="Hosts"></span>
<input id="task" type="search" placeholder="Task (press /)" aria-label="Show only this task"
 list="task-names" autocomplete="off"><datalist id="task-names"></datalist>
<label><input id="steps" type="checkbox"> task steps</label>
<label><input id="control" type="checkbox"> SYN, ACK, FIN</label>
<span class="space"></span>
<output id="count"></output>
<button id="end" type="button">Go to the end</button>
</div>
<main>
<div id="chart" tabindex="0" role="region" aria-label="Events of the run, by virtual time">
<div id="headings"></div>
<div id="canvas" role="list"></div>
</div>
<aside id="side"></aside>
</main>
<footer><div id="details" role="status"></div><ul class="legend">
<li><svg viewBox="0 0 34 12"><path class="l-line" d="M1 3L26 8"/><path class="l-head"
 d="M24 3.5L33 9.4L22.5 11.5z"/></svg>message</li>
<li><svg viewBox="0 0 34 12"><path class="l-lost"
 d="M1 3L22 8m-4 -4l8 8m0 -8l-8 8"/></svg>lost</li>
<li><svg viewBox="0 0 14 12"><path class="l-fault" d="M8 0L1 7h4l-1 5l7 -7h-4z"/></svg>fault</li>
<li><svg viewBox="0 0 14 12"><path class="l-choice"
 d="M7 0l6 6l-6 6l-6 -6z"/></svg>random choice</li>
<li><span class="swatch cut"></span>partition</li>
<li><span class="swatch down"></span>not running</li>
</ul></footer>
<div id="replay"></div>
<noscript><p class="note">This page draws the run with its own script, which is switched off.</p>
</noscript>`;
