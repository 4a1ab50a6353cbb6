/** The folder of this package, also where a bundler has put its code into another file. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * `import.meta.url` is undefined in a bundle in CommonJS format, which has `__filename`. esbuild
 * does not warn about `import.meta` in a try block.
 */
function ownFile(): string {
  try {
    return fileURLToPath(import.meta.url);
  } catch {
    return __filename;
  }
}

const file: string = ownFile();

/** The place of this module in the package: in src/, and in the bundle of its layer in dist/. */
const PLACES = /[\\/](?:src[\\/]node[\\/]process[\\/][\w-]+\.ts|dist[\\/]bundles[\\/]core\.js)$/;
const root = PLACES.test(file) ? file.replace(PLACES, '') : undefined;

/** The file of the bundle that a bundler has made of a program; undefined: this is the package. */
export const bundleFile: string | undefined = root === undefined ? file : undefined;

/** The root of the package; in a bundle, the folder of the bundle. */
export const packageRoot: string = root ?? dirname(file);
