/*
 * Listener and control protocol of the C programs of the benchmarks.
 *
 * The control protocol is the same for every server: the first line on stdout is the port; the
 * response to each line on stdin is the usage of the process; end of file on stdin ends it.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static void die(const char *what) {
  perror(what);
  exit(1);
}

static long micros(struct timeval t) { return t.tv_sec * 1000000L + t.tv_usec; }

static void report(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("{\"user\":%ld,\"sys\":%ld}\n", micros(usage.ru_utime), micros(usage.ru_stime));
  fflush(stdout);
}

/* Stdin is readable. */
static void control(void) {
  char lines[256];
  ssize_t got = read(0, lines, sizeof lines);
  if (got <= 0) exit(0);
  for (ssize_t i = 0; i < got; i++) {
    if (lines[i] == '\n') report();
  }
}

/* A listener at a free loopback port, which is printed on stdout. */
static int open_listener(void) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof at;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&at, length) < 0) die("bind");
  if (listen(listener, BACKLOG) < 0) die("listen");
  if (getsockname(listener, (struct sockaddr *)&at, &length) < 0) die("getsockname");
  printf("{\"port\":%d}\n", ntohs(at.sin_port));
  fflush(stdout);
  return listener;
}

/* Raises the limit of descriptors as far as possible and returns it. */
static int allow_descriptors(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur < 1000000 ? (int)limit.rlim_cur : 1000000;
}

#endif
