/*
 * The limit of a relay: what it costs to move bytes from one connection to another when nothing
 * stands between it and the kernel.
 *
 *   c-relay            recv(2) into a buffer, send(2) out of it
 *   c-relay splice     splice(2) through a pipe: the bytes never enter the program
 *
 * Connections come in pairs: what the first of a pair sends goes to the second. One thread, one
 * edge-triggered epoll set, each descriptor registered once. A pair owns memory only while the
 * second connection does not take what was read from the first, and the first is not read then.
 * There are no limits, no timeouts and no counters.
 *
 * Control, the same for every program here: the first line on stdout says the port; each line on
 * stdin is answered with the process's usage; the end of stdin ends the process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_SIZE = 65536, PIPE_SIZE = 1 << 20, EVENTS = 1024, BACKLOG = 4096 };
enum { BROKEN = -1, WAIT = 0, GO_ON = 1 };

struct pair {
  int from, to;
  int to_the_end;      /* the end of `from` was announced: a short read proves nothing any more */
  char *held;          /* what was read and not taken yet: bytes at..end of it */
  size_t at, end;
  int pipe[2];         /* splice only; `end` counts what is in it */
};

static struct pair **pairs; /* by descriptor, both of them */
static int max_fds, ep, listener, splicing;
static int single = -1; /* a first connection whose second has not come yet */
static char *buffer;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void watch(int fd, uint32_t events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

static char *new_buffer(void) {
  char *made = malloc(READ_SIZE);
  if (!made) die("malloc");
  return made;
}

static void drop(struct pair *pair) {
  pairs[pair->from] = pairs[pair->to] = NULL;
  close(pair->from);
  close(pair->to);
  if (splicing) {
    close(pair->pipe[0]);
    close(pair->pipe[1]);
  }
  free(pair->held);
  free(pair);
}

static int blocked(void) { return errno == EAGAIN ? WAIT : BROKEN; }

/* Sends what is left of the buffer of the pair. */
static int flush(struct pair *pair) {
  while (pair->at < pair->end) {
    ssize_t sent = send(pair->to, pair->held + pair->at, pair->end - pair->at, MSG_NOSIGNAL);
    if (sent < 0) return blocked();
    pair->at += sent;
  }
  free(buffer); /* the pair's is as good, and still in the cache */
  buffer = pair->held;
  pair->held = NULL;
  return GO_ON;
}

/* What the second connection does not take stays where it is: the pair keeps the buffer. */
static int put(struct pair *pair, size_t length) {
  ssize_t sent = send(pair->to, buffer, length, MSG_NOSIGNAL);
  if (sent == (ssize_t)length) return GO_ON;
  if (sent < 0 && errno != EAGAIN) return BROKEN;
  pair->held = buffer;
  pair->at = sent < 0 ? 0 : sent;
  pair->end = length;
  buffer = new_buffer();
  return WAIT;
}

static int copy(struct pair *pair) {
  int state = pair->held ? flush(pair) : GO_ON;
  while (state == GO_ON) {
    ssize_t got = recv(pair->from, buffer, READ_SIZE, 0);
    if (got < 0) return blocked();
    if (got == 0) return BROKEN;
    state = put(pair, got);
    if (state == GO_ON && got < READ_SIZE && !pair->to_the_end) return WAIT;
  }
  return state;
}

/* The pipe is empty whenever it is filled, so EAGAIN is always about the socket. */
static int move(struct pair *pair) {
  const unsigned flags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;
  for (;;) {
    while (pair->end > 0) {
      ssize_t sent = splice(pair->pipe[0], NULL, pair->to, NULL, pair->end, flags);
      if (sent < 0) return blocked();
      pair->end -= sent;
    }
    ssize_t got = splice(pair->from, NULL, pair->pipe[1], NULL, PIPE_SIZE, flags);
    if (got < 0) return blocked();
    if (got == 0) return BROKEN;
    pair->end = got;
  }
}

static void relay(struct pair *pair, uint32_t events) {
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) pair->to_the_end = 1;
  if ((splicing ? move(pair) : copy(pair)) == BROKEN) drop(pair);
}

static void join(int from, int to) {
  struct pair *pair = calloc(1, sizeof *pair);
  if (!pair) die("calloc");
  pair->from = from;
  pair->to = to;
  if (splicing) {
    if (pipe2(pair->pipe, O_NONBLOCK | O_CLOEXEC) < 0) die("pipe2");
    /* Refused above the limit of the user (pipe(7)): a smaller one does, too. */
    fcntl(pair->pipe[1], F_SETPIPE_SZ, PIPE_SIZE);
  }
  pairs[from] = pairs[to] = pair;
  watch(from, EPOLLIN | EPOLLRDHUP | EPOLLET);
  watch(to, EPOLLOUT | EPOLLET);
}

static void accept_all(void) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (fd >= max_fds) {
      close(fd);
      continue;
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (single >= 0) join(single, fd);
    single = single >= 0 ? -1 : fd;
  }
}

static long micros(struct timeval t) { return t.tv_sec * 1000000L + t.tv_usec; }

static void report(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("{\"user\":%ld,\"sys\":%ld}\n", micros(usage.ru_utime), micros(usage.ru_stime));
  fflush(stdout);
}

static void control(void) {
  char lines[256];
  ssize_t got = read(0, lines, sizeof lines);
  if (got <= 0) exit(0);
  for (ssize_t i = 0; i < got; i++) {
    if (lines[i] == '\n') report();
  }
}

static void open_listener(void) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof at;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&at, length) < 0) die("bind");
  if (listen(listener, BACKLOG) < 0) die("listen");
  if (getsockname(listener, (struct sockaddr *)&at, &length) < 0) die("getsockname");
  printf("{\"port\":%d}\n", ntohs(at.sin_port));
  fflush(stdout);
}

static void allow_descriptors(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  max_fds = limit.rlim_cur < 1000000 ? (int)limit.rlim_cur : 1000000;
  pairs = calloc(max_fds, sizeof *pairs);
  if (!pairs) die("calloc");
}

/* The pair that an event of this batch was about may have been dropped meanwhile, or another may
 * have its descriptors: then the event is spurious, and harmless. */
static void obey(const struct epoll_event *event) {
  int fd = event->data.fd;
  if (fd == listener) accept_all();
  else if (fd == 0) control();
  else if (pairs[fd]) relay(pairs[fd], fd == pairs[fd]->from ? event->events : 0);
}

int main(int argc, char **argv) {
  static struct epoll_event events[EVENTS];
  splicing = argc > 1 && strcmp(argv[1], "splice") == 0;
  allow_descriptors();
  buffer = new_buffer();
  ep = epoll_create1(EPOLL_CLOEXEC);
  open_listener();
  watch(listener, EPOLLIN | EPOLLET);
  watch(0, EPOLLIN);
  for (;;) {
    int count = epoll_wait(ep, events, EVENTS, -1);
    for (int i = 0; i < count; i++) obey(&events[i]);
  }
}
