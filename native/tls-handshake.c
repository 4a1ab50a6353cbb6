/*
 * TLS handshakes: starting one on a connection, continuing it, and choosing the certificate.
 *
 * Handshakes never run JavaScript (invariant 1 of tls.c), so a listener with several certificates
 * pauses: the certificate callback returns -1, SSL_do_handshake returns, JavaScript calls tlsChoose
 * and continues the handshake, and the callback is called again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "openssl.h"

#define LONGEST_SERVERNAME 255 /* of a DNS name */

/* node:tls also lets the handshake complete, and its caller checks the result. */
static int on_verify(int ok, X509_STORE_CTX *store) {
  (void)ok;
  (void)store;
  return 1;
}

/* Pauses the handshake until JavaScript has chosen the certificate for the requested name. */
static int on_certificate(SSL *ssl, void *argument) {
  const Tls *tls = argument;
  if (tls->choice == CHOICE_REJECTED) return 0;
  if (tls->choice == CHOICE_MADE) return 1;
  return SSL_get_servername(ssl, TLSEXT_NAMETYPE_HOST_NAME) == NULL ? 1 : -1;
}

static void set_server(Tls *tls) {
  int32_t flags = tls->context->flags;
  int verify = (flags & REQUEST_CERTIFICATE) != 0 ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
  if ((flags & REQUIRE_CERTIFICATE) != 0) verify |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_set_verify(tls->ssl, verify, on_verify);
  if ((flags & CHOOSE_CERTIFICATE) != 0) SSL_set_cert_cb(tls->ssl, on_certificate, tls);
  SSL_set_accept_state(tls->ssl);
}

/* A session that cannot be parsed is ignored, as by node:tls. */
static void set_client(Tls *tls, char *servername, const uint8_t *session, size_t length) {
  SSL_set_verify(tls->ssl, SSL_VERIFY_PEER, on_verify);
  if (servername[0] != '\0') {
    SSL_ctrl(tls->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_HOST_NAME, servername);
  }
  if (length > 0) {
    SSL_SESSION *resumed = d2i_SSL_SESSION(NULL, &session, (long)length);
    if (resumed != NULL) SSL_set_session(tls->ssl, resumed);
    SSL_SESSION_free(resumed);
  }
  SSL_set_connect_state(tls->ssl);
}

static bool make_engine(Tls *tls) {
  tls->ssl = SSL_new(tls->context->context);
  BIO *bio = tls->ssl == NULL ? NULL : BIO_new(tls->library->method);
  if (bio == NULL) return false;
  BIO_set_data(bio, tls);
  BIO_set_init(bio, 1);
  SSL_set_bio(tls->ssl, bio, bio);
  return true;
}

void tls_free(Slot *slot) {
  Tls *tls = slot->tls;
  slot->tls = NULL;
  SSL_free(tls->ssl);
  tls_context_release(tls->context);
  free(tls->error);
  free(tls->unread);
  free(tls->unsent);
  free(tls);
}

/* Attaches TLS state to the slot. `unread`: ciphertext that was received already. */
static bool attach(Environment *environment, Slot *slot, TlsContext *context) {
  Tls *tls = calloc(1, sizeof *tls);
  if (tls == NULL) return false;
  tls->library = environment->tls;
  tls->context = context;
  context->references += 1;
  slot->tls = tls;
  if (make_engine(tls)) return true;
  tls_free(slot);
  return false;
}

/*
 * tlsStart(handle, context, servername, session?: Uint8Array, unread?: Uint8Array): 0, or an errno.
 * `servername` is the name that a client requests, '' for none. `unread` is ciphertext that was
 * received before.
 */
napi_value coronet_tls_start(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0;
  char servername[LONGEST_SERVERNAME + 2];
  uint8_t *session = NULL, *unread = NULL;
  size_t session_length = 0, unread_length = 0;
  if (!call_begin(env, info, 5, &call) || !call_int(&call, 0, &handle)) return NULL;
  TlsContext *context = tls_context_read(&call, 1);
  if (context == NULL || !call_string(&call, 2, servername, sizeof servername)) return NULL;
  if (!call_optional_bytes(&call, 3, &session, &session_length)) return NULL;
  if (!call_optional_bytes(&call, 4, &unread, &unread_length)) return NULL;
  Slot *slot = stream_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  if (slot->tls != NULL || strlen(servername) > LONGEST_SERVERNAME) {
    return call_result(&call, -EINVAL);
  }
  if (!attach(call.environment, slot, context)) return call_result(&call, -ENOMEM);
  Tls *tls = slot->tls;
  if ((context->flags & TLS_SERVER) != 0) set_server(tls);
  else set_client(tls, servername, session, session_length);
  ERR_clear_error();
  if (unread_length == 0) return call_result(&call, 0);
  tls->unread = malloc(unread_length);
  if (tls->unread == NULL) return call_result(&call, -ENOMEM);
  memcpy(tls->unread, unread, unread_length);
  tls->unread_length = (uint32_t)unread_length;
  return call_result(&call, 0);
}

/* The slot of a TLS connection, or NULL. */
Slot *tls_find(Call *call, int32_t handle) {
  Slot *slot = stream_find(call->environment, handle);
  return slot != NULL && slot->tls != NULL ? slot : NULL;
}

/*
 * tlsHandshake(handle): continues it. 1: complete; -EAGAIN: an event follows; TLS_CHOOSE: tlsChoose
 * must be called first; TLS_FAILED, TLS_TRUNCATED or an errno: it has failed.
 */
napi_value coronet_tls_handshake(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0, result = 1;
  if (!call_begin(env, info, 1, &call) || !call_int(&call, 0, &handle)) return NULL;
  Slot *slot = tls_find(&call, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  Tls *tls = slot->tls;
  if (tls->failed) return call_result(&call, TLS_FAILED);
  tls_begin(slot);
  int done = SSL_do_handshake(tls->ssl);
  if (done == 1) tls->open = true;
  else result = tls_result(tls, done);
  ERR_clear_error();
  tls_flush(slot);
  if (result == 0) result = TLS_TRUNCATED; /* close_notify during the handshake */
  return call_result(&call, tls->failed ? TLS_FAILED : result);
}

/* Copies all certificates of `from`, their keys and chains, one for each type of key. */
static bool copy_certificates(Tls *tls, SSL_CTX *from) {
  SSL *ssl = tls->ssl;
  SSL_certs_clear(ssl);
  long more = SSL_CTX_ctrl(from, SSL_CTRL_SET_CURRENT_CERT, SSL_CERT_SET_FIRST, NULL);
  while (more == 1) {
    OPENSSL_STACK *chain = NULL;
    if (SSL_use_certificate(ssl, SSL_CTX_get0_certificate(from)) != 1) return false;
    if (SSL_use_PrivateKey(ssl, SSL_CTX_get0_privatekey(from)) != 1) return false;
    SSL_CTX_ctrl(from, SSL_CTRL_GET_CHAIN_CERTS, 0, &chain);
    if (SSL_ctrl(ssl, SSL_CTRL_CHAIN, 1, chain) != 1) return false;
    more = SSL_CTX_ctrl(from, SSL_CTRL_SET_CURRENT_CERT, SSL_CERT_SET_NEXT, NULL);
  }
  SSL_CTX_ctrl(from, SSL_CTRL_SET_CURRENT_CERT, SSL_CERT_SET_FIRST, NULL);
  return true;
}

/*
 * The identity of a name replaces that of the listener: its certificates, and the authorities for
 * certificates of clients. SSL_set_SSL_CTX would keep the certificates of types that it lacks.
 */
static bool use_identity(Tls *tls, SSL_CTX *from) {
  OPENSSL_STACK *names = SSL_CTX_get_client_CA_list(from);
  if (!copy_certificates(tls, from)) return false;
  SSL_ctrl(tls->ssl, SSL_CTRL_SET_VERIFY_CERT_STORE, 1, SSL_CTX_get_cert_store(from));
  SSL_set_client_CA_list(tls->ssl, names == NULL ? NULL : SSL_dup_CA_list(names));
  return true;
}

/*
 * tlsChoose(handle, accept, context?): answers TLS_CHOOSE: 0, or -EBADF. accept 0: the handshake
 * fails; context undefined: the identity of the listener.
 */
napi_value coronet_tls_choose(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0, accept = 0;
  napi_valuetype type = napi_undefined;
  TlsContext *context = NULL;
  if (!call_begin(env, info, 3, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_int(&call, 1, &accept)) return NULL;
  if (napi_typeof(env, call.values[2], &type) != napi_ok) return NULL;
  if (type != napi_undefined) {
    context = tls_context_read(&call, 2);
    if (context == NULL) return NULL;
  }
  Slot *slot = tls_find(&call, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  bool chosen = accept != 0;
  if (chosen && context != NULL) chosen = use_identity(slot->tls, context->context);
  slot->tls->choice = chosen ? CHOICE_MADE : CHOICE_REJECTED;
  ERR_clear_error();
  return call_result(&call, 0);
}
