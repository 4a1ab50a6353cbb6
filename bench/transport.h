/*
 * recv and send of a connection in the C programs: the socket itself or, compiled with -DTLS,
 * OpenSSL on that socket (SSL_set_fd). The results and errno are those of recv(2) and send(2).
 */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef TLS

#include <openssl/err.h>
#include <openssl/ssl.h>

/* SSL_read returns at most one record, so a short read does not mean that no more has arrived. */
enum { SHORT_READ_IS_ALL = 0 };

struct transport {
  int fd;
  SSL *ssl;
};

static inline ssize_t transport_result(SSL *ssl, int result) {
  if (result > 0) return result;
  switch (SSL_get_error(ssl, result)) {
  case SSL_ERROR_WANT_READ:
  case SSL_ERROR_WANT_WRITE:
    errno = EAGAIN;
    return -1;
  case SSL_ERROR_ZERO_RETURN:
    return 0;
  default:
    if (!errno || errno == EAGAIN) errno = ECONNRESET;
    return -1;
  }
}

static inline ssize_t transport_recv(struct transport *t, char *into, size_t length) {
  ERR_clear_error();
  errno = 0;
  return transport_result(t->ssl, SSL_read(t->ssl, into, length));
}

static inline ssize_t transport_send(struct transport *t, const char *bytes, size_t length) {
  ERR_clear_error();
  errno = 0;
  return transport_result(t->ssl, SSL_write(t->ssl, bytes, length));
}

static inline void transport_open(struct transport *t, int fd, SSL_CTX *context, int server) {
  t->fd = fd;
  t->ssl = SSL_new(context);
  SSL_set_fd(t->ssl, fd);
  if (server) SSL_set_accept_state(t->ssl);
  else SSL_set_connect_state(t->ssl);
}

static inline void transport_free(struct transport *t) {
  SSL_free(t->ssl);
  t->ssl = NULL;
}

static inline void transport_modes(SSL_CTX *context) {
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
}

/* The client decides on cipher and curve, so that all servers do the same work. */
static inline SSL_CTX *client_context(void) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (!context) return NULL;
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set1_groups_list(context, "P-256");
  transport_modes(context);
  return context;
}

#else

enum { SHORT_READ_IS_ALL = 1 };

struct transport {
  int fd;
};

static inline ssize_t transport_recv(struct transport *t, char *into, size_t length) {
  return recv(t->fd, into, length, 0);
}

static inline ssize_t transport_send(struct transport *t, const char *bytes, size_t length) {
  return send(t->fd, bytes, length, MSG_NOSIGNAL);
}

#endif
#endif
