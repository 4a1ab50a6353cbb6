/**
 * The live page: one self-contained document that reads /tasks and shows it.
 *
 * Its parts are text, because the browser and not this program runs them: style.ts, markup.ts, and
 * the script in script-*.ts, which is plain JavaScript without template literals. The page loads
 * nothing else, and its policy permits nothing else: no other script or style than the two with the
 * nonce, no request except to its own server, and no text that is parsed as HTML.
 */
import { PAGE_MARKUP } from './markup.ts';
import { CHART_SCRIPT } from './script-charts.ts';
import { ELEMENT_SCRIPT } from './script-elements.ts';
import { MAIN_SCRIPT } from './script-main.ts';
import { PANEL_SCRIPT } from './script-panels.ts';
import { TREE_SCRIPT } from './script-tree.ts';
import { PAGE_STYLE } from './style.ts';

/** The script of the page, in the order in which its parts use each other. */
export const PAGE_SCRIPT: string = [
  "'use strict';",
  ELEMENT_SCRIPT,
  CHART_SCRIPT,
  TREE_SCRIPT,
  PANEL_SCRIPT,
  MAIN_SCRIPT,
].join('\n');

/** The page as HTML. `nonce` is the one in its policy: letters, digits, '+', '/' and '='. */
export function pageHtml(nonce: string): string {
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<title>Coronet</title>',
    `<style nonce="${nonce}">${PAGE_STYLE}</style>`,
    '</head>',
    `<body>${PAGE_MARKUP}`,
    `<script nonce="${nonce}">${PAGE_SCRIPT}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

/** The value of the header Content-Security-Policy for the page with this nonce. */
export function pagePolicy(nonce: string): string {
  return [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}
