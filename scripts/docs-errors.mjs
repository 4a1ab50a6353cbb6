/**
 * `npm run docs:errors`: writes docs/errors.md from the catalogue of error codes, which the built
 * command prints as JSON.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { argv, execPath } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

const HEAD = `# Error codes

Branch on \`error.code\`: it is stable, the message is for people. \`coronet explain CODE\` prints
the same text offline. Errors of the operating system keep the shape of Node's errors (\`code\`
'ECONNRESET', \`errno\`, \`syscall\`, \`address\`, \`port\`) and are not listed here.
\`npm run docs:errors\` generates this page.
`;

/** The text of docs/errors.md. */
export function errorsPage(catalogue) {
  return [HEAD, ...Object.entries(catalogue).map(section)].join('\n');
}

function section([code, { className, sentence, cause, remedy, look }]) {
  const view = look === undefined ? '' : `\n*Look at:* ${look.text} ([more](${look.section}))\n`;
  return `## ${code}

${sentence} (\`${className}\`)

*Likely cause:* ${cause}

*Remedy:* ${remedy}
${view}`;
}

if (import.meta.url === pathToFileURL(argv[1] ?? '').href) {
  const options = { cwd: root, encoding: 'utf8' };
  const json = execFileSync(execPath, ['dist/cli/main.js', 'explain', '--json'], options);
  writeFileSync(`${root}/docs/errors.md`, errorsPage(JSON.parse(json)));
}
