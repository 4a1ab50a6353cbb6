/*
 * The lower limit: an echo server that uses the system calls directly.
 *
 * One thread, one edge-triggered epoll set, one read buffer for all connections, each descriptor
 * registered once. One recv and one send per message: a read that does not fill the buffer has
 * drained the socket, so there is no second recv that returns EAGAIN (epoll(7), question 9). It has
 * no limits, timeouts or counters; the distance to it is the cost of these.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"

enum { READ_SIZE = 65536, EVENTS = 1024 };

/* Unsent bytes. While a connection has some, it is not read. */
struct pending {
  char *bytes;
  size_t from, to;
};

static struct pending *pending; /* indexed by descriptor */
static int max_fds, ep, listener;
static char buffer[READ_SIZE];

static void watch(int fd, uint32_t events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

static void drop(int fd) {
  free(pending[fd].bytes);
  memset(&pending[fd], 0, sizeof pending[fd]);
  close(fd);
}

static void keep(int fd, const char *bytes, size_t length) {
  char *copy = malloc(length);
  if (!copy) die("malloc");
  memcpy(copy, bytes, length);
  pending[fd] = (struct pending){copy, 0, length};
}

/* 1: all was sent; 0: the rest is pending; -1: the connection is closed. */
static int put(int fd, const char *bytes, size_t length) {
  ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
  if (sent == (ssize_t)length) return 1;
  if (sent < 0 && errno != EAGAIN) return -1;
  if (sent < 0) sent = 0;
  keep(fd, bytes + sent, length - sent);
  return 0;
}

static int flush(int fd) {
  struct pending *rest = &pending[fd];
  ssize_t sent = send(fd, rest->bytes + rest->from, rest->to - rest->from, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN ? 0 : -1;
  rest->from += sent;
  if (rest->from < rest->to) return 0;
  free(rest->bytes);
  rest->bytes = NULL;
  return 1;
}

static void echo(int fd) {
  int clear = pending[fd].bytes ? flush(fd) : 1;
  while (clear == 1) {
    ssize_t got = recv(fd, buffer, READ_SIZE, 0);
    if (got < 0 && errno == EAGAIN) return;
    clear = got > 0 ? put(fd, buffer, got) : -1;
    if (clear == 1 && got < READ_SIZE) return;
  }
  if (clear < 0) drop(fd);
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
    watch(fd, EPOLLIN | EPOLLOUT | EPOLLET);
  }
}

int main(void) {
  static struct epoll_event events[EVENTS];
  max_fds = allow_descriptors();
  pending = calloc(max_fds, sizeof *pending);
  if (!pending) die("calloc");
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
      else echo(fd);
    }
  }
}
