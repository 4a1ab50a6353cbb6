/** Checks of headers that a program adds to a handshake. */
import { outOfRange, wrongType } from '../support/checks.ts';

const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/;
/** Anything else, such as a line end, could add a header or end the head. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Headers that the handshake itself sends. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'host',
  'upgrade',
  'connection',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-accept',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
  'content-length',
  'transfer-encoding',
]);

/** Throws unless `headers` are names and values that may be added. */
export function checkHeaders(headers: Readonly<Record<string, string>>): void {
  if (typeof headers !== 'object' || headers === null) {
    throw wrongType('headers', 'an object of strings', headers);
  }
  for (const [name, value] of Object.entries(headers)) {
    if (!TOKEN.test(name)) throw outOfRange('headers', 'names of headers', name);
    if (OWN_HEADERS.has(name.toLowerCase())) {
      throw outOfRange('headers', 'other headers than those of the handshake', name);
    }
    if (typeof value !== 'string' || !VALUE.test(value)) {
      throw wrongType(`headers.${name}`, 'a string without control characters', value);
    }
  }
}

/** Throws unless `protocols` is a list of different subprotocols. */
export function checkProtocols(protocols: readonly string[]): void {
  const areValid =
    Array.isArray(protocols) &&
    protocols.every((each) => typeof each === 'string' && TOKEN.test(each));
  if (!areValid || new Set(protocols).size < protocols.length) {
    throw wrongType('protocols', 'a list of different names', protocols);
  }
}
