/*
 * The end of a TLS connection: close_notify, and then the end of the socket.
 */
#include <errno.h>

#include "openssl.h"

/* A receive has reported why the socket is lost, so that it takes no output either. */
static bool is_lost(const Tls *tls) {
  return tls->receive_end != 0 && tls->receive_end != TLS_TRUNCATED;
}

/* Writes close_notify, once. tls_flush sends it. */
static void finish(Tls *tls) {
  if (!tls->open || tls->failed || tls->finished || tls->send_error != 0) return;
  tls->finished = true;
  if (is_lost(tls)) return;
  if (ERR_peek_error() != 0) ERR_clear_error();
  if (SSL_shutdown(tls->ssl) < 0) ERR_clear_error();
}

/* tlsFinish(handle): close_notify, then the end of the socket's output: 0, or -EBADF */
napi_value coronet_tls_finish(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0;
  if (!call_begin(env, info, 1, &call) || !call_int(&call, 0, &handle)) return NULL;
  Slot *slot = tls_find(&call, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  bool first = !slot->tls->finished;
  tls_begin(slot);
  finish(slot->tls);
  slot->tls->finish_socket = first;
  tls_flush(slot);
  return call_result(&call, 0);
}

/*
 * tlsClose(handle, notify): close_notify, then closes the socket: 0, or -EBADF if it is closed
 * already. notify 0: without close_notify, for a peer that was rejected after its handshake. A
 * positive result is the number of bytes that are not sent yet: the socket stays open, and the
 * function is called again after the next event. Bytes that were not read are discarded: the system
 * would reset the connection, and the peer could lose the last bytes. (A client that never receives
 * has the session tickets of TLS 1.3 unread.)
 */
napi_value coronet_tls_close(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0, notify = 0;
  if (!call_begin(env, info, 2, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_int(&call, 1, &notify)) return NULL;
  Slot *slot = tls_find(&call, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  Tls *tls = slot->tls;
  tls_begin(slot);
  if (notify != 0) finish(tls);
  tls_flush(slot);
  if (tls->unsent != NULL) return call_result(&call, (int32_t)tls_unsent(tls));
  if (tls->receive_end == 0) socket_discard(slot);
  slot_release(call.environment, slot, false);
  return call_result(&call, 0);
}
