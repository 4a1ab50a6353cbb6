/* The common part of the loads: failures, the usage of a run, and the connections' sockets. */
#ifndef CLIENT_H
#define CLIENT_H

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "transport.h"

enum { STALL_MS = 5000 };

static void die(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "no response");
  exit(1);
}

static void wrong(const char *what) {
  fprintf(stderr, "load: %s\n", what);
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static long micros(struct timeval t) { return t.tv_sec * 1000000L + t.tv_usec; }

/* The start of a JSON line about a run, without the closing brace. */
static void report(uint64_t messages, uint64_t ns, const struct rusage *before) {
  struct rusage after;
  getrusage(RUSAGE_SELF, &after);
  printf("{\"messages\":%llu,\"ns\":%llu,\"user\":%ld,\"sys\":%ld", (unsigned long long)messages,
         (unsigned long long)ns, micros(after.ru_utime) - micros(before->ru_utime),
         micros(after.ru_stime) - micros(before->ru_stime));
}

static void end_report(void) {
  printf("}\n");
  fflush(stdout);
}

static void allow_descriptors(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  signal(SIGPIPE, SIG_IGN); /* OpenSSL uses write(2) */
}

/* A socket with a connection to the loopback port, or with one that begins if `flags` has
 * SOCK_NONBLOCK. */
static int connect_to(int port, int flags) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  int on = 1;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0) die("socket");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS) die("connect");
  return fd;
}

#endif
