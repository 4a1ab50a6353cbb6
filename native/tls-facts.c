/*
 * The facts about a TLS connection, and its end.
 */
#include <errno.h>

#include "openssl.h"

static void read_facts(SSL *ssl, int32_t *out) {
  const uint8_t *alpn = NULL;
  unsigned alpn_length = 0;
  const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
  SSL_get0_alpn_selected(ssl, &alpn, &alpn_length);
  out[FACT_VERSION] = SSL_version(ssl);
  out[FACT_CIPHER] = cipher == NULL ? 0 : SSL_CIPHER_get_protocol_id(cipher);
  out[FACT_VERIFIED] = (int32_t)SSL_get_verify_result(ssl);
  out[FACT_CERTIFICATE] = SSL_get0_peer_certificate(ssl) != NULL;
  out[FACT_RESUMED] = SSL_session_reused(ssl);
  out[FACT_ALPN] = alpn_length > 0;
  out[FACT_SERVERNAME] = SSL_get_servername(ssl, TLSEXT_NAMETYPE_HOST_NAME) != NULL;
}

/* tlsFacts(handle, out: Int32Array): fills the FACT_ positions: 0, or an errno */
napi_value coronet_tls_facts(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0, *out = NULL;
  size_t length = 0;
  if (!call_begin(env, info, 2, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_int32_array(&call, 1, &out, &length)) return NULL;
  Slot *slot = tls_find(&call, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  if (length < FACT_INTS) return call_result(&call, -EINVAL);
  read_facts(slot->tls->ssl, out);
  return call_result(&call, 0);
}

static const char *text_of(const Tls *tls, int32_t which, size_t *length) {
  const uint8_t *alpn = NULL;
  unsigned alpn_length = 0;
  const SSL_CIPHER *cipher = SSL_get_current_cipher(tls->ssl);
  *length = NAPI_AUTO_LENGTH;
  switch (which) {
    case TEXT_ERROR: return tls->error;
    case TEXT_VERSION: return SSL_get_version(tls->ssl);
    case TEXT_CIPHER: return cipher == NULL ? NULL : SSL_CIPHER_standard_name(cipher);
    case TEXT_SERVERNAME: return SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_HOST_NAME);
    case TEXT_VERIFIED: return X509_verify_cert_error_string(SSL_get_verify_result(tls->ssl));
    case TEXT_ALPN:
      SSL_get0_alpn_selected(tls->ssl, &alpn, &alpn_length);
      *length = alpn_length;
      return (const char *)alpn;
    default: return NULL;
  }
}

/* tlsText(handle, which): one of the TEXT_ texts; '' if there is none */
napi_value coronet_tls_text(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0, which = 0;
  size_t length = 0;
  napi_value result = NULL;
  if (!call_begin(env, info, 2, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_int(&call, 1, &which)) return NULL;
  Slot *slot = tls_find(&call, handle);
  const char *text = slot == NULL ? NULL : text_of(slot->tls, which, &length);
  if (text == NULL) napi_create_string_utf8(env, "", 0, &result);
  else napi_create_string_utf8(env, text, length, &result);
  return result;
}

/* The length of the encoded object, written to `out` if that is not NULL; 0: there is none. */
static int encode(const Tls *tls, int32_t which, uint8_t *out) {
  uint8_t **at = out == NULL ? NULL : &out;
  if (which == BYTES_CERTIFICATE) {
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    return certificate == NULL ? 0 : i2d_X509(certificate, at);
  }
  SSL_SESSION *session = SSL_get_session(tls->ssl);
  bool usable = session != NULL && SSL_SESSION_is_resumable(session) == 1;
  return usable ? i2d_SSL_SESSION(session, at) : 0;
}

/* tlsBytes(handle, which): one of the BYTES_ objects in DER form; undefined if there is none */
napi_value coronet_tls_bytes(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0, which = 0;
  void *data = NULL;
  napi_value result = NULL;
  if (!call_begin(env, info, 2, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_int(&call, 1, &which)) return NULL;
  Slot *slot = tls_find(&call, handle);
  int length = slot == NULL ? 0 : encode(slot->tls, which, NULL);
  if (length <= 0) return NULL;
  if (napi_create_buffer(env, (size_t)length, &data, &result) != napi_ok) return NULL;
  encode(slot->tls, which, data);
  return result;
}
