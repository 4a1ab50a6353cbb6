/*
 * TLS contexts: what the connections of a listener, or of one connect, have in common.
 *
 * JavaScript calls tlsBegin, tls.createSecureContext and tlsTake, which returns an object for the
 * SSL_CTX that was created in between. The object, and each connection, holds a reference. The
 * owner of a connection in JavaScript also keeps the SecureContext, because Node's ticket callback
 * uses it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "openssl.h"

/* The length of a list of protocols is sent in two bytes (RFC 7301, section 3.1). */
#define MAX_PROTOCOLS 65535

static const napi_type_tag CONTEXT_TAG = {0x6b1f5d2c9e0a4713, 0x8c54a7e1d3920f6b};

void tls_context_release(TlsContext *context) {
  context->references -= 1;
  if (context->references > 0) return;
  SSL_CTX_free(context->context);
  free(context);
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  tls_context_release(data);
}

/*
 * Servers: the first own protocol that the client offers. Without a common one the handshake fails.
 * OpenSSL has checked the form of the offered list.
 */
static int select_protocol(ALPN_PARAMETERS) {
  const TlsContext *own = argument;
  (void)ssl;
  for (uint32_t i = 0; i < own->alpn_length; i += own->alpn[i] + 1u) {
    for (unsigned k = 0; k < offered_length; k += offered[k] + 1u) {
      if (own->alpn[i] != offered[k]) continue;
      if (memcmp(&own->alpn[i + 1], &offered[k + 1], offered[k]) != 0) continue;
      *out = &offered[k + 1];
      *out_length = offered[k];
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* tlsBegin(): '' if native TLS is available, or the name of what is missing */
napi_value coronet_tls_begin(napi_env env, napi_callback_info info) {
  Call call;
  napi_value result = NULL;
  if (!call_begin(env, info, 0, &call)) return NULL;
  const char *missing = openssl_load(call.environment);
  if (missing == NULL) capture_begin(call.environment->tls);
  const char *text = missing == NULL ? "" : missing;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result);
  return result;
}

/* Each protocol: one byte of length, then that many bytes. */
static bool is_protocol_list(const uint8_t *list, size_t length) {
  size_t at = 0;
  while (at < length && list[at] > 0) at += list[at] + 1u;
  return at == length && length <= MAX_PROTOCOLS;
}

/* What all connections have in common. */
static void set_modes(SSL_CTX *context) {
  SSL_CTX_ctrl(context, SSL_CTRL_MODE, SSL_MODE_RELEASE_BUFFERS, NULL);
  SSL_CTX_ctrl(context, SSL_CTRL_SET_READ_AHEAD, 1, NULL);
  SSL_CTX_clear_options(context, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
}

static TlsContext *make_context(SSL_CTX *found, int32_t flags, const uint8_t *protocols,
                                size_t length) {
  TlsContext *context = calloc(1, sizeof *context + length);
  if (context == NULL) return NULL;
  SSL_CTX_up_ref(found);
  set_modes(found);
  context->context = found;
  context->references = 1;
  context->flags = flags;
  context->alpn_length = (uint32_t)length;
  if (length == 0) return context;
  memcpy(context->alpn, protocols, length);
  if ((flags & TLS_SERVER) != 0) {
    SSL_CTX_set_alpn_select_cb(found, select_protocol, context);
  } else {
    SSL_CTX_set_alpn_protos(found, protocols, (unsigned)length);
  }
  return context;
}

/* Returns the object in JavaScript, which owns `context`; or NULL, with the context released. */
static napi_value wrap(Call *call, TlsContext *context) {
  napi_value object = NULL;
  napi_status status = napi_create_object(call->env, &object);
  if (status == napi_ok) status = napi_type_tag_object(call->env, object, &CONTEXT_TAG);
  if (status == napi_ok) {
    status = napi_wrap(call->env, object, context, on_collected, NULL, NULL);
  }
  if (status == napi_ok) return object;
  tls_context_release(context);
  return NULL;
}

/*
 * tlsTake(flags, protocols?: Uint8Array): the context that was created since tlsBegin; undefined if
 * there is not exactly one. Without arguments it only ends what tlsBegin began.
 */
napi_value coronet_tls_take(napi_env env, napi_callback_info info) {
  Call call;
  int32_t flags = 0;
  uint8_t *protocols = NULL;
  size_t length = 0;
  if (!call_begin(env, info, 2, &call)) return NULL;
  TlsLibrary *library = call.environment->tls;
  SSL_CTX *found = library == NULL ? NULL : capture_end(library);
  if (found == NULL) return NULL;
  if (!call_int(&call, 0, &flags)) return NULL;
  if (!call_optional_bytes(&call, 1, &protocols, &length)) return NULL;
  if (!is_protocol_list(protocols, length)) {
    call_wrong(&call, 1, "a list of protocols");
    return NULL;
  }
  TlsContext *context = make_context(found, flags, protocols, length);
  return context == NULL ? NULL : wrap(&call, context);
}

/* The context of an argument. NULL: an exception is pending. */
TlsContext *tls_context_read(Call *call, size_t index) {
  bool is_context = false;
  void *context = NULL;
  napi_value object = call->values[index];
  if (!call_typed(call, index, napi_object, "a TLS context")) return NULL;
  napi_status status = napi_check_object_type_tag(call->env, object, &CONTEXT_TAG, &is_context);
  if (status == napi_ok && is_context) status = napi_unwrap(call->env, object, &context);
  if (status != napi_ok || context == NULL) call_wrong(call, index, "a TLS context");
  return context;
}
