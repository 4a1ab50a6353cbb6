/** The facts about an established TLS connection on the native engine. */
import type { TlsInfo, TlsPeerCertificate } from '../../../world/tls.ts';
import type { Addon } from '../../addon.ts';
import { certificateErrorCode } from './certificate-errors.ts';

/** Names of cipher suites by their number, so that each is read once. */
const cipherNames = new Map<number, string>();

/** Reads the facts when the handshake is complete: they remain readable after close. */
export class NativeTlsInfo implements TlsInfo {
  readonly protocol: string;
  readonly cipher: string;
  readonly alpn: string | undefined;
  readonly servername: string | undefined;
  readonly sessionReused: boolean;
  authorized = false;
  authorizationError: string | undefined = undefined;
  readonly #addon: Addon;
  readonly #handle: number;
  /** A listener has no sessions: its clients keep the tickets. */
  readonly #isClient: boolean;
  readonly #certificateError: CertificateError | undefined;
  #certificate: TlsPeerCertificate | null | undefined = undefined;
  /** Kept at close. */
  #session: Buffer | undefined = undefined;
  #closed = false;

  constructor(addon: Addon, handle: number, isClient: boolean) {
    const { constants } = addon;
    const facts = new Int32Array(constants.FACT_INTS);
    const textIf = (fact: number, text: number): string | undefined =>
      facts[fact] === 1 ? addon.tlsText(handle, text) || undefined : undefined;
    addon.tlsFacts(handle, facts);
    this.#addon = addon;
    this.#handle = handle;
    this.#isClient = isClient;
    this.protocol = addon.tlsText(handle, constants.TEXT_VERSION);
    this.cipher = cipherName(addon, handle, facts[constants.FACT_CIPHER] as number);
    this.alpn = textIf(constants.FACT_ALPN, constants.TEXT_ALPN);
    this.servername = textIf(constants.FACT_SERVERNAME, constants.TEXT_SERVERNAME);
    this.sessionReused = facts[constants.FACT_RESUMED] === 1;
    const result = facts[constants.FACT_VERIFIED] as number;
    if (facts[constants.FACT_CERTIFICATE] !== 1) this.#certificateError = NO_CERTIFICATE;
    else if (result !== 0) this.#certificateError = certificateError(addon, handle, result);
  }

  /** Why the peer's certificate is not valid, whatever its name; `undefined`: it is valid. */
  get certificateError(): CertificateError | undefined {
    return this.#certificateError;
  }

  /** Parsed on first use, because that costs more than all other properties together. */
  get peerCertificate(): TlsPeerCertificate | undefined {
    if (this.#certificate === undefined && !this.#closed) {
      const { constants } = this.#addon;
      const der = this.#addon.tlsBytes(this.#handle, constants.BYTES_CERTIFICATE);
      this.#certificate = der === undefined ? null : legacyCertificate(der);
    }
    return this.#certificate ?? undefined;
  }

  get session(): Buffer | undefined {
    if (this.#closed || !this.#isClient) return this.#session;
    return this.#addon.tlsBytes(this.#handle, this.#addon.constants.BYTES_SESSION);
  }

  /** The connection is being closed: keeps the session. */
  keepSession(): void {
    this.#session = this.session;
    this.#closed = true;
  }
}

/** The code and the message of node:tls. */
export interface CertificateError {
  readonly code: string;
  readonly message: string;
}

const NO_CERTIFICATE: CertificateError = {
  code: 'UNABLE_TO_GET_ISSUER_CERT',
  message: 'unable to get issuer certificate',
};

function certificateError(addon: Addon, handle: number, result: number): CertificateError {
  const message = addon.tlsText(handle, addon.constants.TEXT_VERIFIED);
  return { code: certificateErrorCode(result), message };
}

function cipherName(addon: Addon, handle: number, number: number): string {
  let name = cipherNames.get(number);
  if (name === undefined) {
    name = addon.tlsText(handle, addon.constants.TEXT_CIPHER);
    cipherNames.set(number, name);
  }
  return name;
}

/** The certificate in the form that node:tls returns from `getPeerCertificate`. */
function legacyCertificate(der: Buffer): TlsPeerCertificate {
  const { X509Certificate } = process.getBuiltinModule('node:crypto');
  return new X509Certificate(der).toLegacyObject() as unknown as TlsPeerCertificate;
}
