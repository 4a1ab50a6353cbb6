/*
 * The lower limit of a relay: it moves bytes between connections by direct system calls.
 *
 *   c-relay            recv(2) into a buffer, send(2) out of it
 *   c-relay splice     splice(2) through a pipe: the bytes stay in the kernel
 *
 * It forwards from the first connection of a pair to the second. One thread, one edge-triggered
 * epoll set, each descriptor registered once. A pair owns memory only while the second connection
 * is full, and the first is not read during that time. It has no limits, timeouts or counters.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"

enum { READ_SIZE = 65536, PIPE_SIZE = 1 << 20, EVENTS = 1024 };
enum { BROKEN = -1, WAIT = 0, GO_ON = 1 };

struct pair {
  int from, to;
  int to_the_end;      /* EPOLLRDHUP of `from`: a short read no longer means empty */
  char *held;          /* unsent bytes: at..end of it */
  size_t at, end;
  int pipe[2];         /* splice only; `end` is the number of bytes in it */
};

static struct pair **pairs; /* by descriptor, for both connections */
static int max_fds, ep, listener, splicing;
static int single = -1; /* the first connection of an incomplete pair */
static char *buffer;

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

/* Sends the rest of the buffer of the pair. */
static int flush(struct pair *pair) {
  while (pair->at < pair->end) {
    ssize_t sent = send(pair->to, pair->held + pair->at, pair->end - pair->at, MSG_NOSIGNAL);
    if (sent < 0) return blocked();
    pair->at += sent;
  }
  free(buffer); /* the buffer of the pair is still in the cache */
  buffer = pair->held;
  pair->held = NULL;
  return GO_ON;
}

/* If the second connection is full, the pair keeps the buffer. */
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

/* The pipe is empty when it is filled, so EAGAIN always concerns the socket. */
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
    /* Fails above the limit of the user (pipe(7)); the default size works as well. */
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

/* An earlier event of the batch may have closed the pair, and another pair may use its descriptors:
 * then the event is spurious and harmless. */
static void obey(const struct epoll_event *event) {
  int fd = event->data.fd;
  if (fd == listener) accept_all();
  else if (fd == 0) control();
  else if (pairs[fd]) relay(pairs[fd], fd == pairs[fd]->from ? event->events : 0);
}

int main(int argc, char **argv) {
  static struct epoll_event events[EVENTS];
  splicing = argc > 1 && strcmp(argv[1], "splice") == 0;
  max_fds = allow_descriptors();
  pairs = calloc(max_fds, sizeof *pairs);
  if (!pairs) die("calloc");
  buffer = new_buffer();
  ep = epoll_create1(EPOLL_CLOEXEC);
  listener = open_listener();
  watch(listener, EPOLLIN | EPOLLET);
  watch(0, EPOLLIN);
  for (;;) {
    int count = epoll_wait(ep, events, EVENTS, -1);
    for (int i = 0; i < count; i++) obey(&events[i]);
  }
}
