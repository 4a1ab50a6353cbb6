/** The module that `coronet serve` serves with: loading it, and what can be wrong with it. */
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Handler, ServerOptions } from '../../server/options.ts';
import { stackOf } from '../../support/checks.ts';
import { CommandError } from '../errors.ts';

/** What a module exports by default, in its long form. */
export interface HandlerModule {
  readonly handler: Handler;
  readonly options: ServerOptions;
}

const RIGHT_FORM = '  right:  export default function* (socket, peer) { … }';

/** Finding out where a syntax error is must not take longer than this. */
const PROBE_MS = 5000;

/** Loads `file`. Every error is a CommandError that says what to do. */
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

/** Throws for what can be seen without running anything. */
export function checkFile(file: string): void {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) throw new CommandError(`There is no file ${file}.`);
  if (!stat.isFile()) throw new CommandError(`Expected a file, and ${file} is none.`);
  if (/^\.[cm]?ts$/.test(extname(file)) && !stripsTypes()) {
    throw new CommandError(
      `Node ${process.versions.node} does not run ${file}. Take Node 22.18 or newer, Node 22.6 ` +
        'with NODE_OPTIONS=--experimental-strip-types, or compile it to JavaScript.',
    );
  }
}

/** `process.features.typescript` is there since Node 22.10. */
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

/** What is missing says it all; where Node looked for it says nothing more. */
function missingModule(error: unknown): string | undefined {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  return String(code).endsWith('MODULE_NOT_FOUND') ? String(message) : undefined;
}

/**
 * Node knows where a syntax error is and shows it only when the error ends a process. So it has to
 * end one, which imports the module again. Nothing of the program runs there: an error whose stack
 * has no place in a file is met before the first line is run.
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

/** Takes the default export apart. */
export function handlerOf(
  file: string,
  exported: Readonly<Record<string, unknown>>,
): HandlerModule {
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

/** A function that returns an operation is as good as one that is one. */
function checked(file: string, handler: object): Handler {
  const kind = Object.prototype.toString.call(handler).slice(8, -1);
  if (kind === 'AsyncFunction' || kind === 'AsyncGeneratorFunction') {
    throw new CommandError(
      `Expected the handler of ${file} to be a generator function, got an async one. Promises ` +
        `are awaited with \`yield* until(promise)\`.\n${RIGHT_FORM}`,
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
  const seen = names.length === 0 ? 'exports nothing' : `exports only ${names.join(', ')}`;
  return new CommandError(
    `${file} ${seen}; it has to export its handler by default.\n${RIGHT_FORM}`,
  );
}
