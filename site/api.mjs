/** Writes the reference from the doc comments: one page in Markdown for each public name. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Application } from 'typedoc';
import { ENTRIES, referencePage } from '../scripts/docs-reference.mjs';
import { linkNames } from './markdown.mjs';

/** The folders that typedoc-plugin-markdown makes, with the word for one of their pages. */
const KINDS = {
  functions: 'Function',
  classes: 'Class',
  interfaces: 'Interface',
  'type-aliases': 'Type',
  variables: 'Constant',
};

/**
 * Writes the folder api of `pages`. Returns the link of each page by `module name`, and the names
 * of each module in the groups of docs/reference.md.
 */
export async function writeApi(root, pages) {
  await convert(root, join(pages, 'api'));
  const links = new Map();
  for (const module of Object.values(ENTRIES)) {
    for (const [folder, kind] of Object.entries(KINDS)) {
      for (const file of filesIn(join(pages, 'api', module, folder))) {
        const name = file.slice(0, -'.md'.length);
        links.set(`${module} ${name}`, `/api/${module}/${folder}/${file}`);
        finish(join(pages, 'api', module, folder, file), `${kind} of \`${module}\``);
      }
    }
  }
  const tables = linkNames(referencePage(), links);
  for (const [, module, table] of tables.matchAll(/^## (\S+)\n([\s\S]*?)(?=^## |(?![\s\S]))/gm)) {
    const page = `# ${module}\n${table.replace(/^###/gm, '##')}`;
    writeFileSync(join(pages, 'api', module, 'index.md'), page);
  }
  return { links, modules: groupsOf(referencePage(), links) };
}

async function convert(root, folder) {
  const app = await Application.bootstrapWithPlugins({
    plugin: ['typedoc-plugin-markdown'],
    tsconfig: join(root, 'tsconfig.build.json'),
    entryPoints: Object.keys(ENTRIES).map((path) => join(root, path)),
    outputs: [{ name: 'markdown', path: folder }],
    name: 'API',
    readme: 'none',
    logLevel: 'Warn',
    // `npm run types` reports the errors of the compiler.
    skipErrorChecking: true,
    disableSources: true,
    excludeExternals: true,
    excludeInternal: true,
    excludePrivate: true,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    entryFileName: 'index',
    useCodeBlocks: true,
    expandParameters: true,
    parametersFormat: 'table',
    pageTitleTemplates: { member: ({ name }) => name, module: ({ name }) => name },
  });
  const project = await app.convert();
  for (const module of project.children) module.name = ENTRIES[`src/${module.name}.ts`];
  await app.generateOutputs(project);
  if (app.logger.hasErrors() || app.logger.hasWarnings()) {
    throw new Error('typedoc: correct what the messages above name');
  }
}

/** States the kind under the title, and emphasizes the paragraphs that every comment may have. */
function finish(path, kind) {
  const text = readFileSync(path, 'utf8')
    .replace(/^(# .+)$/m, `$1\n\n${kind} {.kind}`)
    .replace(/\n(Errors|Cancel): /g, '\n\n**$1:** ')
    .replace(/^\*\*\*\n/gm, '');
  writeFileSync(path, `---\noutline: [2, 3]\n---\n\n${text}`);
}

/** The modules in `page`, each with its groups and their names that have a page. */
function groupsOf(page, links) {
  const modules = [];
  for (const [, module, group, name] of page.matchAll(/^## (\S+)$|^### (.+)$|^\| `(\w+)`/gm)) {
    if (module !== undefined) modules.push({ module, groups: [{ title: '', names: [] }] });
    const { module: current, groups } = modules.at(-1) ?? {};
    if (group !== undefined) groups.push({ title: group, names: [] });
    const link = links.get(`${current} ${name}`);
    if (link !== undefined) groups.at(-1).names.push({ name, link });
  }
  return modules;
}

function filesIn(folder) {
  return existsSync(folder) ? readdirSync(folder) : [];
}
