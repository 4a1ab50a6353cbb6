/** `coronet build`: compiles the addon of the epoll backend with the C compiler of the machine. */
import { CommandError } from './errors.ts';
import { readOptions } from './options.ts';

const HELP = `Examples:
  coronet build                compile the addon into native/build/ of the package
  CC=clang coronet build       use another C compiler

The exit code is 0 if the addon is there, and 1 if it could not be built. Nothing is downloaded.
`;

/** The same path from src/cli/ and from dist/cli/. */
const BUILDER = new URL('../../native/build.mjs', import.meta.url).href;

interface Builder {
  buildAddon(): { readonly file: string; readonly built: boolean };
}

export async function run(args: readonly string[]): Promise<void> {
  const values = readOptions(args, { help: { type: 'boolean', short: 'h', default: false } });
  if (values['help'] === true) {
    process.stdout.write(HELP);
    return;
  }
  const { buildAddon } = (await import(BUILDER)) as Builder;
  process.stdout.write(`${result(buildAddon)}\n`);
}

function result(buildAddon: Builder['buildAddon']): string {
  try {
    const { file, built } = buildAddon();
    return built ? `built ${file}` : `${file} is up to date`;
  } catch (error) {
    throw new CommandError(`The addon was not built: ${(error as Error).message}`);
  }
}
