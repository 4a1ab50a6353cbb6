/*
 * The load of short connections: connect, with TLS a handshake, 16 bytes, their echo, reset.
 *
 *   connect <port> <connections> <full | resumed> [spin]
 *
 * <connections> of them are open at the same time. The reset (SO_LINGER) leaves no TIME_WAIT, so
 * that the ports last. Compiled with -DTLS, every connection begins with a handshake; `resumed`:
 * one that resumes the session of the first connection. Commands and responses are those of load.c:
 *   run <ms>, check <ms>
 */
#define _GNU_SOURCE
#include <sys/epoll.h>

#include "client.h"

enum { SIZE = 16, EVENTS = 1024 };

struct conn {
  struct transport transport;
  size_t received;
  int sent;
};

static struct conn *conns;
static size_t count, unfinished;
static int port, ep, spin, running;
static uint64_t finished;
static const char message[SIZE] = "0123456789abcde\n";

#ifdef TLS
static SSL_CTX *context;
static SSL_SESSION *session;
#endif

static void begin(struct conn *c, int flags) {
  memset(c, 0, sizeof *c);
  c->transport.fd = connect_to(port, flags);
#ifdef TLS
  transport_open(&c->transport, c->transport.fd, context, 0);
  if (session) SSL_set_session(c->transport.ssl, session);
#endif
  unfinished++;
}

static void watch(struct conn *c) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
  if (epoll_ctl(ep, EPOLL_CTL_ADD, c->transport.fd, &event) < 0) die("epoll_ctl");
}

static void reset(struct conn *c) {
  struct linger now = {.l_onoff = 1, .l_linger = 0};
#ifdef TLS
  if (session && !SSL_session_reused(c->transport.ssl)) wrong("the session was not resumed");
  /* SSL_free would make the session of a connection without close_notify unusable. */
  SSL_set_shutdown(c->transport.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  transport_free(&c->transport);
#endif
  setsockopt(c->transport.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(c->transport.fd);
  unfinished--;
  finished++;
}

/* 1 after the last byte of the echo. */
static int step(struct conn *c) {
  char bytes[SIZE];
  if (!c->sent) {
    ssize_t n = transport_send(&c->transport, message, SIZE);
    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) return 0;
    if (n != SIZE) die("send");
    c->sent = 1;
  }
  while (c->received < SIZE) {
    ssize_t n = transport_recv(&c->transport, bytes, SIZE - c->received);
    if (n < 0 && errno == EAGAIN) return 0;
    if (n <= 0) die("recv");
    if (memcmp(bytes, message + c->received, n) != 0) wrong("the echo differs");
    c->received += n;
  }
  return 1;
}

static void advance(struct conn *c) {
  if (!step(c)) return;
  reset(c);
  if (!running) return;
  begin(c, SOCK_NONBLOCK);
  watch(c);
}

static void run(double ms) {
  static struct epoll_event events[EVENTS];
  struct rusage before;
  getrusage(RUSAGE_SELF, &before);
  uint64_t start = now_ns(), last = start, first = finished;
  running = 1;
  for (size_t i = 0; i < count; i++) {
    begin(&conns[i], SOCK_NONBLOCK);
    watch(&conns[i]);
  }
  while (unfinished > 0) {
    int n = epoll_wait(ep, events, EVENTS, spin ? 0 : STALL_MS);
    if (n < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < n; i++) advance(events[i].data.ptr);
    uint64_t now = now_ns();
    errno = 0;
    if (n <= 0 && now - last > STALL_MS * 900000ull) die("stalled");
    if (n > 0) last = now;
    if (now - start >= ms * 1e6) running = 0;
  }
  report(finished - first, now_ns() - start, &before);
  end_report();
}

/* One connection with blocking calls; with TLS its session is kept for `resumed`. */
static void first_connection(int resumed) {
  struct conn c;
  begin(&c, 0);
  if (!step(&c)) die("first connection");
#ifdef TLS
  SSL_SESSION *kept = resumed ? SSL_get1_session(c.transport.ssl) : NULL;
  if (resumed && !SSL_SESSION_is_resumable(kept)) wrong("the server sent no session ticket");
  reset(&c);
  session = kept;
#else
  (void)resumed;
  reset(&c);
#endif
}

int main(int argc, char **argv) {
  char line[64];
  if (argc < 4) wrong("usage: connect <port> <connections> <full | resumed> [spin]");
  port = atoi(argv[1]);
  count = strtoul(argv[2], NULL, 10);
  if (!count) wrong("connections is a number > 0");
  spin = argc > 4 && strcmp(argv[4], "spin") == 0;
  allow_descriptors();
  conns = calloc(count, sizeof *conns);
  if (!conns) die("calloc");
#ifdef TLS
  context = client_context();
#endif
  ep = epoll_create1(EPOLL_CLOEXEC);
  first_connection(strcmp(argv[3], "resumed") == 0);
  printf("{\"connections\":%zu}\n", count);
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    const char *ms = strchr(line, ' ');
    if (!ms) wrong("a command is: run <ms> | check <ms>");
    run(atof(ms));
  }
  return 0;
}
