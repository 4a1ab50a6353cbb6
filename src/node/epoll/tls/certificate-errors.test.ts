import { expect, test } from 'vitest';
import { certificateErrorCode } from './certificate-errors.ts';

test.each([
  [2, 'UNABLE_TO_GET_ISSUER_CERT'],
  [10, 'CERT_HAS_EXPIRED'],
  [18, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  [21, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  [23, 'CERT_REVOKED'],
  [28, 'CERT_REJECTED'],
  [62, 'HOSTNAME_MISMATCH'],
  [79, 'INVALID_CA'],
  [1, 'UNSPECIFIED'],
  [24, 'UNSPECIFIED'],
  [999, 'UNSPECIFIED'],
])('the certificate error %i of OpenSSL has the code %s of Node', (number, code) => {
  expect(certificateErrorCode(number)).toBe(code);
});
