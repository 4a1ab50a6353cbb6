/*
 * The lower limit: a server that uses the system calls directly.
 *
 *   c-epoll <echo | lines | frames | fanout> [folder of key.pem and cert.pem, with -DTLS]
 *
 * One thread, one edge-triggered epoll set, one read buffer for all connections, each descriptor
 * registered once. One recv and one send per message: a read that does not fill the buffer has
 * drained the socket, so there is no second recv that returns EAGAIN (epoll(7), question 9). With
 * TLS a read ends at EAGAIN. It has no limits, timeouts or counters; the distance to it is the cost
 * of these.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../transport.h"
#include "control.h"

enum { READ_SIZE = 65536, EVENTS = 1024 };

struct bytes {
  char *at;
  size_t from, to;
};

struct conn {
  struct transport transport;
  int open;
  struct bytes unsent;  /* while there are some, the connection is not read */
  struct bytes partial; /* the received beginning of a message */
};

/* Responds to `length` bytes at `buffer`. 1: continue; 0: some are unsent; -1: connection lost. */
typedef int handler(struct conn *, size_t length);

static struct conn *conns; /* indexed by descriptor */
static int max_fds, ep, listener, last_fd;
static char buffer[READ_SIZE], answer[READ_SIZE];
static handler *handle;
static int welcome;

static void watch(int fd, uint32_t events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

static void drop(struct conn *c) {
  free(c->unsent.at);
  free(c->partial.at);
#ifdef TLS
  transport_free(&c->transport);
#endif
  close(c->transport.fd);
  memset(c, 0, sizeof *c);
}

static void keep(struct bytes *into, const char *bytes, size_t length) {
  into->at = malloc(length);
  if (!into->at) die("malloc");
  memcpy(into->at, bytes, length);
  into->from = 0;
  into->to = length;
}

static int put(struct conn *c, const char *bytes, size_t length) {
  size_t done = 0;
  while (done < length) {
    ssize_t sent = transport_send(&c->transport, bytes + done, length - done);
    if (sent < 0 && errno != EAGAIN) return -1;
    if (sent > 0) done += sent;
    if (done < length && (sent < 0 || SHORT_READ_IS_ALL)) {
      keep(&c->unsent, bytes + done, length - done);
      return 0;
    }
  }
  return 1;
}

static int flush(struct conn *c) {
  struct bytes rest = c->unsent;
  c->unsent.at = NULL;
  int result = put(c, rest.at + rest.from, rest.to - rest.from);
  free(rest.at);
  return result;
}

static int echo(struct conn *c, size_t length) { return put(c, buffer, length); }

/* The echo of the complete messages, one by one; the rest is kept until more arrives. */
static int messages(struct conn *c, size_t length, size_t (*measure)(const char *, size_t)) {
  size_t at = 0, made = 0, size;
  while (at < length && (size = measure(buffer + at, length - at)) > 0) {
    memcpy(answer + made, buffer + at, size);
    at += size;
    made += size;
  }
  if (at < length) keep(&c->partial, buffer + at, length - at);
  return made > 0 ? put(c, answer, made) : 1;
}

static size_t line_size(const char *bytes, size_t length) {
  const char *end = memchr(bytes, '\n', length);
  return end ? end - bytes + 1 : 0;
}

static size_t frame_size(const char *bytes, size_t length) {
  uint32_t size;
  if (length < sizeof size) return 0;
  memcpy(&size, bytes, sizeof size);
  size_t total = sizeof size + ntohl(size);
  return total <= length ? total : 0;
}

static int lines(struct conn *c, size_t length) { return messages(c, length, line_size); }
static int frames(struct conn *c, size_t length) { return messages(c, length, frame_size); }

static int fanout(struct conn *publisher, size_t length) {
  for (int fd = 0; fd <= last_fd; fd++) {
    struct conn *c = &conns[fd];
    if (c->open && !c->unsent.at && put(c, buffer, length) < 0 && c != publisher) drop(c);
  }
  return 1;
}

static void serve(struct conn *c) {
  int state = c->unsent.at ? flush(c) : 1;
  while (state == 1) {
    size_t had = c->partial.at ? c->partial.to : 0;
    if (had > 0) memcpy(buffer, c->partial.at, had);
    ssize_t got = transport_recv(&c->transport, buffer + had, READ_SIZE - had);
    if (got < 0 && errno == EAGAIN) return;
    free(c->partial.at);
    c->partial.at = NULL;
    state = got > 0 ? handle(c, had + got) : -1;
    if (SHORT_READ_IS_ALL && state == 1 && had + got < READ_SIZE) return;
  }
  if (state < 0) drop(c);
}

#ifdef TLS
static SSL_CTX *context;

static void prepare_tls(const char *folder) {
  char path[4096];
  signal(SIGPIPE, SIG_IGN); /* OpenSSL uses write(2) */
  context = SSL_CTX_new(TLS_server_method());
  transport_modes(context);
  snprintf(path, sizeof path, "%s/cert.pem", folder);
  if (SSL_CTX_use_certificate_chain_file(context, path) != 1) die("cert.pem");
  snprintf(path, sizeof path, "%s/key.pem", folder);
  if (SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM) != 1) die("key.pem");
}
#endif

static void start(int fd) {
  struct conn *c = &conns[fd];
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  memset(c, 0, sizeof *c);
  c->open = 1;
  c->transport.fd = fd;
#ifdef TLS
  transport_open(&c->transport, fd, context, 1);
#endif
  if (fd > last_fd) last_fd = fd;
  watch(fd, EPOLLIN | EPOLLOUT | EPOLLET);
  if (welcome) put(c, "!", 1);
}

static void accept_all(void) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (fd < max_fds) start(fd);
    else close(fd);
  }
}

static handler *handler_named(const char *name) {
  if (strcmp(name, "echo") == 0) return echo;
  if (strcmp(name, "lines") == 0) return lines;
  if (strcmp(name, "frames") == 0) return frames;
  if (strcmp(name, "fanout") == 0) return fanout;
  errno = EINVAL;
  die(name);
  return NULL;
}

int main(int argc, char **argv) {
  static struct epoll_event events[EVENTS];
  handle = handler_named(argc > 1 ? argv[1] : "echo");
  welcome = handle == fanout;
#ifdef TLS
  prepare_tls(argc > 2 ? argv[2] : ".");
#endif
  max_fds = allow_descriptors();
  conns = calloc(max_fds, sizeof *conns);
  if (!conns) die("calloc");
  ep = epoll_create1(EPOLL_CLOEXEC);
  listener = open_listener();
  watch(listener, EPOLLIN | EPOLLET);
  watch(0, EPOLLIN);
  for (;;) {
    int count = epoll_wait(ep, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) accept_all();
      else if (fd == 0) control();
      else if (conns[fd].open) serve(&conns[fd]);
    }
  }
}
