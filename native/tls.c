/*
 * TLS on a connection: OpenSSL between the socket and memory of JavaScript.
 *
 *   socket ──recv──► read buffer of OpenSSL ──SSL_read──► memory of JavaScript
 *   socket ◄──send── output ◄── write buffer of OpenSSL ◄──SSL_write── memory of JavaScript
 *
 * OpenSSL reads ahead: the BIO receives into its buffer, and one `recv` fetches a record and what
 * follows it. Output is a buffer of the environment that collects the records of a call; a record
 * that is alone is sent from OpenSSL's buffer. Ciphertext that the socket does not take stays with
 * the connection (`unsent`). An idle connection has no buffer.
 *
 * Invariants:
 *  1. JavaScript does not run inside OpenSSL. A handshake that must choose a certificate pauses.
 *  2. Bytes are sent in the order in which the BIO gets them. While a connection has unsent bytes,
 *     no plaintext is taken; the edge "writable" sends them.
 *  3. The end of the socket is hidden from OpenSSL, which would end both directions. It is kept in
 *     `receive_end`; an end that OpenSSL reports is a close_notify.
 *  4. A short receive means "empty", as on plain connections. Otherwise RECV_MORE is set: the end
 *     or the error that follows the bytes is known here, and no edge will report it.
 *  5. The error queue of OpenSSL is empty after a failure: Node would take our errors for its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openssl.h"

static bool is_transient(int32_t error) {
  return error == -EAGAIN || error == -ENOBUFS || error == -ENOMEM;
}

/* ---- input ---- */

/* Receives ciphertext. 0: there is none now. */
static int receive_ciphertext(Tls *tls, uint8_t *data, size_t length) {
  Input *input = &tls->library->input;
  const Slot *slot = tls->library->slot;
  if (tls->receive_end != 0 || (input->drained && input->produced)) return 0;
  input->receives += 1;
  if (input->receives > MAX_RECEIVES) {
    poller_rearm(slot, CONNECTION_EVENTS); /* reports "readable" again */
    return 0;
  }
  int32_t received = socket_receive(slot, data, length);
  input->drained = received < (int32_t)length;
  if (received > 0) return received;
  if (received == 0) {
    /* The system reports an error once; a send may have received it. */
    bool reset = tls->send_error != 0 && tls->send_error != -EPIPE;
    tls->receive_end = reset ? tls->send_error : TLS_TRUNCATED;
  } else if (!is_transient(received)) {
    tls->receive_end = received;
  } else if (received != -EAGAIN) {
    input->shortage = received;
  }
  return 0;
}

/* The ciphertext that was received before TLS was attached. 0: there is none left. */
static int take_unread(Tls *tls, uint8_t *data, size_t length) {
  size_t count = tls->unread_length - tls->unread_at;
  if (count > length) count = length;
  if (count == 0) return 0;
  memcpy(data, tls->unread + tls->unread_at, count);
  tls->unread_at += (uint32_t)count;
  return (int)count;
}

int on_bio_read(BIO *bio, char *data, int length) {
  Tls *tls = BIO_get_data(bio);
  int count = take_unread(tls, (uint8_t *)data, (size_t)length);
  BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
  if (count == 0) count = receive_ciphertext(tls, (uint8_t *)data, (size_t)length);
  if (count > 0) return count;
  BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
  return -1;
}

/* Begins a call that enters OpenSSL. */
void tls_begin(const Slot *slot) {
  TlsLibrary *library = slot->tls->library;
  library->slot = slot;
  library->single = false;
  library->input = (Input){0};
  if (ERR_peek_error() != 0) ERR_clear_error();
}

/* ---- output ---- */

uint32_t tls_unsent(const Tls *tls) {
  return tls->unsent_length - tls->unsent_at;
}

/* Appends to the unsent bytes, in place of those that were sent. False: no memory. */
static bool keep_unsent(Tls *tls, const uint8_t *data, size_t length) {
  uint32_t left = tls_unsent(tls);
  if (tls->unsent_at > 0) memmove(tls->unsent, tls->unsent + tls->unsent_at, left);
  tls->unsent_at = 0;
  tls->unsent_length = left;
  uint8_t *grown = realloc(tls->unsent, left + length);
  if (grown == NULL) return false;
  memcpy(grown + left, data, length);
  tls->unsent = grown;
  tls->unsent_length += (uint32_t)length;
  return true;
}

static void drop_unsent(Tls *tls) {
  free(tls->unsent);
  tls->unsent = NULL;
  tls->unsent_at = 0;
  tls->unsent_length = 0;
}

/* The socket takes no more output. Input may still contain the alert that explains it. */
static void end_output(Tls *tls, int32_t error) {
  tls->send_error = error;
  tls->library->output_length = 0;
  drop_unsent(tls);
}

/* Offers bytes to the socket. The number that it takes; `send_error` is set if it has failed. */
static size_t offer(const Slot *slot, const uint8_t *data, size_t length) {
  int32_t sent = socket_send(slot->fd, data, length);
  if (sent >= 0) return (size_t)sent;
  if (!is_transient(sent)) end_output(slot->tls, sent);
  /* A shortage of memory ends without an edge. */
  else if (sent != -EAGAIN) poller_rearm(slot, CONNECTION_EVENTS);
  return 0;
}

/* Sends the unsent bytes of earlier calls. True: all of them. */
static bool send_unsent(const Slot *slot) {
  Tls *tls = slot->tls;
  if (tls->unsent == NULL) return true;
  size_t sent = offer(slot, tls->unsent + tls->unsent_at, tls_unsent(tls));
  tls->unsent_at += (uint32_t)sent;
  if (tls->send_error != 0 || tls_unsent(tls) > 0) return false;
  drop_unsent(tls);
  return true;
}

/* Sends bytes that no others precede. The rest stays with the connection. */
static void transmit(const Slot *slot, const uint8_t *data, size_t length) {
  Tls *tls = slot->tls;
  size_t sent = offer(slot, data, length);
  if (tls->send_error != 0 || sent == length) return;
  if (!keep_unsent(tls, data + sent, length - sent)) end_output(tls, -EPIPE);
}

int on_bio_write(BIO *bio, const char *data, int length) {
  Tls *tls = BIO_get_data(bio);
  TlsLibrary *library = tls->library;
  size_t size = (size_t)length;
  BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
  if (tls_unsent(tls) + library->output_length + size > MAX_UNSENT) {
    BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY);
    return -1;
  }
  bool first = library->output_length == 0 && tls->unsent == NULL && tls->send_error == 0;
  if (library->single && first) {
    transmit(library->slot, (const uint8_t *)data, size);
    return length;
  }
  if (library->output_length + size > OUTPUT_BYTES) {
    if (!keep_unsent(tls, library->output, library->output_length)) return -1;
    library->output_length = 0;
    if (size > OUTPUT_BYTES) return keep_unsent(tls, (const uint8_t *)data, size) ? length : -1;
  }
  memcpy(library->output + library->output_length, data, size);
  library->output_length += size;
  return length;
}

/* Sends what the call has written; the rest stays with the connection. */
void tls_flush(const Slot *slot) {
  Tls *tls = slot->tls;
  TlsLibrary *library = tls->library;
  size_t length = library->output_length;
  library->output_length = 0;
  if (tls->send_error != 0) return end_output(tls, tls->send_error);
  if (tls->unsent == NULL && length > 0) {
    transmit(slot, library->output, length);
    if (tls->send_error != 0) return;
  } else if (length > 0 && !keep_unsent(tls, library->output, length)) {
    return end_output(tls, -EPIPE);
  } else if (!send_unsent(slot)) {
    return;
  }
  if (tls->unsent != NULL) return;
  if (tls->finish_socket) shutdown(slot->fd, SHUT_WR);
  tls->finish_socket = false;
  if (tls->blocked) poller_rearm(slot, CONNECTION_EVENTS); /* tls_on_events reports "readable" */
}

/* ---- failures ---- */

/* Keeps the reason of a failure of OpenSSL, and sends the alert that it has written. */
static void engine_failed(Tls *tls) {
  char text[320];
  char number[200];
  unsigned long error = ERR_peek_error();
  const char *reason = error == 0 ? NULL : ERR_reason_error_string(error);
  ERR_error_string_n(error, number, sizeof number);
  snprintf(text, sizeof text, "%s\n%s", reason == NULL ? "" : reason, number);
  ERR_clear_error();
  tls->failed = true;
  if (tls->error == NULL) tls->error = strdup(text);
}

/* The result of a call that has moved no bytes; `result` is that of OpenSSL's function. */
int32_t tls_result(Tls *tls, int result) {
  switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    case SSL_ERROR_WANT_READ:
      if (tls->receive_end != 0) return tls->receive_end;
      return tls->library->input.shortage != 0 ? tls->library->input.shortage : -EAGAIN;
    case SSL_ERROR_WANT_WRITE:
      tls->blocked = true;
      return -EAGAIN;
    case SSL_ERROR_WANT_X509_LOOKUP:
      return TLS_CHOOSE;
    default:
      engine_failed(tls);
      return TLS_FAILED;
  }
}

/* ---- receive and send ---- */

/* As socket_receive, of plaintext; see invariant 4. */
int32_t tls_receive(const Slot *slot, uint8_t *data, size_t length) {
  Tls *tls = slot->tls;
  if (tls->failed) return TLS_FAILED;
  if (length > MAX_TRANSFER) length = MAX_TRANSFER;
  Input *input = &tls->library->input;
  size_t filled = 0;
  int32_t end = -EAGAIN;
  tls_begin(slot);
  while (filled < length) {
    size_t count = 0;
    int result = SSL_read_ex(tls->ssl, data + filled, length - filled, &count);
    if (result != 1) {
      end = tls_result(tls, result);
      break;
    }
    filled += count;
    input->produced = true;
    /* Nothing is left to read: saves a call that would find that out. */
    if (input->drained && SSL_has_pending(tls->ssl) == 0) break;
  }
  tls_flush(slot);
  if (filled == 0) return tls->failed ? TLS_FAILED : end;
  bool more = filled < length && (tls->failed || end != -EAGAIN);
  return (int32_t)filled | (more ? RECV_MORE : 0);
}

/* The pieces that are still to be encrypted. */
typedef struct {
  const struct iovec *pieces;
  size_t count;
  size_t index;
  size_t offset; /* in the piece at the index */
} Pieces;

/* The next plaintext: a part of one piece, or several small ones, copied together. */
static size_t next_plaintext(Pieces *rest, uint8_t *gathered, const uint8_t **data) {
  const struct iovec *piece = &rest->pieces[rest->index];
  size_t length = piece->iov_len - rest->offset;
  if (length >= WRITE_BYTES / 4 || rest->index + 1 == rest->count) {
    *data = (const uint8_t *)piece->iov_base + rest->offset;
    return length < WRITE_BYTES ? length : WRITE_BYTES;
  }
  size_t filled = 0;
  size_t offset = rest->offset;
  for (size_t i = rest->index; i < rest->count && filled < WRITE_BYTES; i += 1) {
    size_t size = rest->pieces[i].iov_len - offset;
    if (size > WRITE_BYTES - filled) size = WRITE_BYTES - filled;
    memcpy(gathered + filled, (const uint8_t *)rest->pieces[i].iov_base + offset, size);
    filled += size;
    offset = 0;
  }
  *data = gathered;
  return filled;
}

static void advance(Pieces *rest, size_t count) {
  while (count > 0) {
    size_t left = rest->pieces[rest->index].iov_len - rest->offset;
    size_t step = count < left ? count : left;
    count -= step;
    rest->offset += step;
    if (step < left) return;
    rest->index += 1;
    rest->offset = 0;
  }
}

/* Encrypts and sends until all is sent or the socket is full. The number of bytes taken. */
static int32_t write_pieces(const Slot *slot, Pieces *rest) {
  Tls *tls = slot->tls;
  size_t taken = 0;
  while (rest->index < rest->count && tls->unsent == NULL) {
    const uint8_t *data = NULL;
    size_t count = 0;
    size_t length = next_plaintext(rest, tls->library->gathered, &data);
    tls->library->single = length <= RECORD_PLAINTEXT;
    int result = SSL_write_ex(tls->ssl, data, length, &count);
    int32_t end = result == 1 ? 0 : tls_result(tls, result);
    tls_flush(slot);
    if (end != 0) return taken > 0 ? (int32_t)taken : end;
    if (tls->send_error != 0) return taken > 0 ? (int32_t)taken : tls->send_error;
    advance(rest, count);
    taken += count;
    if (taken > MAX_TRANSFER - WRITE_BYTES) break;
  }
  return (int32_t)taken;
}

/* As sendmsg, of plaintext: fewer bytes than offered mean that the edge "writable" follows. */
int32_t tls_send(const Slot *slot, const struct iovec *pieces, size_t count) {
  Tls *tls = slot->tls;
  if (tls->failed) return TLS_FAILED;
  if (tls->send_error != 0) return tls->send_error;
  if (tls->finished) return -EPIPE;
  if (!tls->open || tls->unsent != NULL) return -EAGAIN;
  tls_begin(slot);
  Pieces rest = {.pieces = pieces, .count = count};
  return write_pieces(slot, &rest);
}

/* Called for each event of a TLS connection; returns the events for JavaScript. */
uint32_t tls_on_events(Slot *slot, uint32_t events) {
  Tls *tls = slot->tls;
  if (tls->unsent != NULL && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) tls_flush(slot);
  if (!tls->blocked || tls->unsent != NULL) return events;
  tls->blocked = false;
  return events | EPOLLIN;
}
