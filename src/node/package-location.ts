/** The folder of this package, also where a bundler has put its code into another file. */
import { dirname, resolve } from 'node:path';
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
const folder = dirname(file);

/** This module is in src/node/, or in the bundle of its layer, dist/layers/node.js. */
const isOwnLayout = /[\\/](?:node[\\/]package-location\.ts|layers[\\/]node\.js)$/.test(file);

/** The file of the bundle that a bundler has made of a program; undefined: this is the package. */
export const bundleFile: string | undefined = isOwnLayout ? undefined : file;

/** The root of the package; in a bundle, the folder of the bundle. */
export const packageRoot: string = isOwnLayout ? resolve(folder, '../..') : folder;
