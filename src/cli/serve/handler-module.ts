/** Loads and checks the handler module of `coronet serve`. */
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Handler, ServerOptions } from '../../server/options.ts';
import { stackOf } from '../../support/checks.ts';
import { CommandError } from '../errors.ts';

/** The long form of the default export. */
export interface HandlerModule {
  readonly handler: Handler;
  readonly options: ServerOptions;
}

const RIGHT_FORM = '  right:  export default function* (socket, peer) { … }';

/** The time limit for locating a syntax error. */
const PROBE_MS = 5000;

/** Loads `file`. Throws a CommandError that describes the solution. */
export async function loadHandler(file: string): Promise<HandlerModule> {
  checkFile(file);
  const url = pathToFileURL(resolve(file)).href;
  let exported: Readonly<Record<string, unknown>>;
  try {
    exported = (await import(url)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    throw new CommandError(`${file} cannot be loaded.\n${describe(error, url)}`);
  }
  return handlerOf(file, exported);
}

/** Throws for errors that are visible without running the module. */
export function checkFile(file: string): void {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) throw new CommandError(`The file ${file} does not exist.`);
  if (!stat.isFile()) throw new CommandError(`Expected a file, but ${file} is not a file.`);
  if (/^\.[cm]?ts$/.test(extname(file)) && !stripsTypes()) {
    throw new CommandError(
      `Node ${process.versions.node} does not run ${file}. Use Node 22.18 or newer, Node 22.6 ` +
        'with NODE_OPTIONS=--experimental-strip-types, or compile it to JavaScript.',
    );
  }
}

/** `process.features.typescript` exists since Node 22.10. */
function stripsTypes(): boolean {
  const { typescript } = process.features as { readonly typescript?: unknown };
  if (typescript !== undefined) return typescript !== false;
  return /--experimental-(?:strip-types|transform-types)/.test(
    `${process.execArgv.join(' ')} ${process.env['NODE_OPTIONS'] ?? ''}`,
  );
}

function describe(error: unknown, url: string): string {
  const text = stackOf(error);
  if (!(error instanceof SyntaxError)) return missingModule(error) ?? text;
  return syntaxErrorPosition(text, url) ?? text;
}

/** The message names the missing module. The stack only lists where Node searched. */
function missingModule(error: unknown): string | undefined {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  return String(code).endsWith('MODULE_NOT_FOUND') ? String(message) : undefined;
}

/**
 * Node prints the position of a syntax error only if the error ends a process. So a child process
 * imports the module again. No code of the program runs there: an error whose stack contains no
 * file is thrown before the first line runs.
 */
function syntaxErrorPosition(stack: string, url: string): string | undefined {
  if (stack.includes('file:')) return undefined;
  const args = ['--input-type=module', '--eval', `import ${JSON.stringify(url)}`];
  const { stderr } = spawnSync(process.execPath, [...process.execArgv, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
    timeout: PROBE_MS,
  });
  const end = stderr?.search(/\n {4}at /) ?? -1;
  return end < 0 ? undefined : stderr.slice(stderr.indexOf('file:'), end).trim();
}

/** Reads the handler and the options from the default export. */
function handlerOf(file: string, exported: Readonly<Record<string, unknown>>): HandlerModule {
  const given = exported['default'];
  if (given === undefined) throw noDefault(file, Object.keys(exported));
  if (typeof given === 'function') return { handler: checked(file, given), options: {} };
  const { handler, options = {} } = (given ?? {}) as { handler?: unknown; options?: unknown };
  if (typeof handler === 'function' && typeof options === 'object' && options !== null) {
    return { handler: checked(file, handler), options: options as ServerOptions };
  }
  throw new CommandError(
    `Expected the default export of ${file} to be a generator function or { handler, options }, ` +
      `got ${given === null ? 'null' : typeof given}.\n${RIGHT_FORM}`,
  );
}

/** Accepts generator functions and functions that return an operation. */
function checked(file: string, handler: object): Handler {
  const kind = Object.prototype.toString.call(handler).slice(8, -1);
  if (kind === 'AsyncFunction' || kind === 'AsyncGeneratorFunction') {
    throw new CommandError(
      `Expected the handler of ${file} to be a generator function, got an async one. Use ` +
        `\`yield* until(promise)\` to await a promise.\n${RIGHT_FORM}`,
    );
  }
  if (/^class\b/.test(Function.prototype.toString.call(handler))) {
    throw new CommandError(
      `Expected the handler of ${file} to be a generator function, got a class.\n${RIGHT_FORM}`,
    );
  }
  return handler as Handler;
}

function noDefault(file: string, names: readonly string[]): CommandError {
  const found = names.length === 0 ? 'exports nothing' : `exports only ${names.join(', ')}`;
  return new CommandError(
    `${file} ${found}, but it must export its handler by default.\n${RIGHT_FORM}`,
  );
}
