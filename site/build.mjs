/**
 * `npm run docs`: builds the site into build/site/dist, without the network once its tools are
 * installed. `npm run docs -- --serve` serves it afterwards on 127.0.0.1.
 *
 * A page that belongs to no section, a link to a page or an anchor that does not exist, and a
 * reference to another server end the build with an error.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const site = join(root, 'site');
const output = join(root, 'build/site');
const pages = join(output, 'pages');
const dist = join(output, 'dist');

const { values: options } = parseArgs({ options: { serve: { type: 'boolean', default: false } } });

installTools();
const { build, serve } = await import('vitepress');
const { writeApi } = await import('./api.mjs');
const { stagePages } = await import('./stage.mjs');
const { writeTexts } = await import('./llms.mjs');
const { checkSite } = await import('./check.mjs');

rmSync(output, { recursive: true, force: true });
mkdirSync(pages, { recursive: true });
const api = await writeApi(root, pages);
const sections = stagePages({ root, pages, links: api.links });
const menu = { sections: sections.map(withoutTexts), modules: api.modules };
writeFileSync(join(output, 'menu.json'), JSON.stringify(menu));
await build(site);
writeTexts(dist, sections);
copyFileSync(join(site, 'logo.svg'), join(dist, 'logo.svg'));
const { count, problems } = checkSite(dist);
for (const problem of problems) console.error(`docs: ${problem}`);
if (problems.length > 0) process.exit(1);
console.log(`docs: ${count} pages in build/site/dist; every link and anchor exists`);
if (options.serve) {
  await serve({ root: site, port: 4173, host: '127.0.0.1' });
}

function withoutTexts({ title, pages: entries }) {
  return { title, pages: entries.map(({ text: _, ...entry }) => entry) };
}

/** Installs what package-lock.json states, if another state or none is installed. */
function installTools() {
  const installed = join(site, 'node_modules/.package-lock.json');
  const locked = join(site, 'package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(locked).mtimeMs) return;
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
  const { status } = spawnSync('npm', args, {
    cwd: site,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (status !== 0) process.exit(status ?? 1);
}
