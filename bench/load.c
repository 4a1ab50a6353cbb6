/*
 * The load: a closed loop on many connections, cheap enough that the server is the bottleneck.
 *
 *   load <port> <connections> <size> <depth> [spin]
 *
 * It opens the connections, one echo each, and prints a JSON line. Then it reads commands:
 *   run <ms>        keep <depth> messages of <size> bytes outstanding on every connection
 *   check <ms>      the same, comparing every byte (warm-up)
 * and responds to each with a JSON line. End of file on stdin ends it.
 *
 * A run ends drained: nothing is sent after the time is over, and the response follows the last
 * byte. So the messages counted are exactly those in the usage of the server between two requests
 * for it.
 *
 * Every connection sends a rolling pattern with its own phase. In `run` the ends of each chunk are
 * compared, which detects a lost, doubled or misrouted chunk at the cost of 128 bytes.
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
#include <time.h>
#include <unistd.h>

enum { READ_SIZE = 262144, EVENTS = 1024, PERIOD = 251, ENDS = 64, STALL_MS = 5000 };

struct conn {
  int fd;
  uint64_t sent, received; /* bytes since the start: the phase of the pattern */
  uint64_t goal;           /* the bytes that may be sent: the limit of the closed loop */
};

static struct conn *conns;
static size_t count, size, depth;
static int ep, spin, running, compare_all;
static char *pattern, *buffer;
static uint64_t goal_total, received_total;

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

static const char *phase(const struct conn *c, uint64_t offset) {
  return pattern + (offset + (size_t)(c - conns)) % PERIOD;
}

static void verify(const struct conn *c, size_t got) {
  const char *expected = phase(c, c->received);
  int same;
  if (compare_all || got <= 2 * ENDS) {
    same = memcmp(buffer, expected, got) == 0;
  } else {
    size_t tail = got - ENDS;
    same = memcmp(buffer, expected, ENDS) == 0 && memcmp(buffer + tail, expected + tail, ENDS) == 0;
  }
  if (!same) wrong("the echo differs from what was sent");
  if (c->received + got > c->sent) wrong("more came back than was sent");
}

static void permit(struct conn *c, uint64_t goal) {
  goal_total += goal - c->goal;
  c->goal = goal;
}

static void push(struct conn *c) {
  while (c->sent < c->goal) {
    ssize_t n = send(c->fd, phase(c, c->sent), c->goal - c->sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return; /* the edge of EPOLLOUT calls this again */
    if (n < 0) die("send");
    c->sent += n;
  }
}

static void pull(struct conn *c) {
  ssize_t n;
  do {
    n = recv(c->fd, buffer, READ_SIZE, 0);
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) die("recv");
    if (n == 0) wrong("the server closed a connection");
    verify(c, n);
    c->received += n;
    received_total += n;
  } while (n == READ_SIZE);
  if (running) permit(c, (c->received / size + depth) * size);
}

static void turn(uint64_t *last) {
  static struct epoll_event events[EVENTS];
  int n = epoll_wait(ep, events, EVENTS, spin ? 0 : STALL_MS);
  if (n < 0 && errno != EINTR) die("epoll_wait");
  for (int i = 0; i < n; i++) {
    struct conn *c = events[i].data.ptr;
    if (events[i].events & ~(uint32_t)EPOLLOUT) pull(c);
    push(c);
  }
  uint64_t now = now_ns();
  errno = 0;
  if (n <= 0 && now - *last > STALL_MS * 900000ull) die("stalled");
  if (n > 0 || !*last) *last = now;
}

static long micros(struct timeval t) { return t.tv_sec * 1000000L + t.tv_usec; }

static void report(uint64_t bytes, uint64_t ns, const struct rusage *before) {
  struct rusage after;
  getrusage(RUSAGE_SELF, &after);
  printf("{\"messages\":%llu,\"ns\":%llu,\"user\":%ld,\"sys\":%ld}\n",
         (unsigned long long)(bytes / size), (unsigned long long)ns,
         micros(after.ru_utime) - micros(before->ru_utime),
         micros(after.ru_stime) - micros(before->ru_stime));
  fflush(stdout);
}

static void run(double ms) {
  struct rusage before;
  getrusage(RUSAGE_SELF, &before);
  uint64_t start = now_ns(), last = start, bytes = received_total;
  running = 1;
  for (size_t i = 0; i < count; i++) {
    permit(&conns[i], conns[i].goal + depth * size);
    push(&conns[i]);
  }
  while (running || received_total < goal_total) {
    turn(&last);
    if (running && now_ns() - start >= ms * 1e6) running = 0;
  }
  report(received_total - bytes, now_ns() - start, &before);
}

/* One blocking echo per new connection: proves the connection, and bounds the accept queue. */
static void greet(struct conn *c) {
  permit(c, size);
  push(c);
  while (c->received < size) {
    ssize_t n = recv(c->fd, buffer, READ_SIZE, 0);
    if (n <= 0) die("first echo");
    verify(c, n);
    c->received += n;
    received_total += n;
  }
}

static void open_conn(struct conn *c, int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct timeval patience = {.tv_sec = STALL_MS / 1000};
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
  int on = 1;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (c->fd < 0) die("socket");
  setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
  greet(c);
  if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0) die("fcntl");
  if (epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &event) < 0) die("epoll_ctl");
}

static void prepare(int port) {
  size_t span = (size * depth > READ_SIZE ? size * depth : READ_SIZE) + PERIOD;
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  conns = calloc(count, sizeof *conns);
  pattern = malloc(span);
  buffer = malloc(READ_SIZE);
  if (!conns || !pattern || !buffer) die("malloc");
  for (size_t i = 0; i < span; i++) pattern[i] = (char)(i % PERIOD);
  ep = epoll_create1(EPOLL_CLOEXEC);
  for (size_t i = 0; i < count; i++) open_conn(&conns[i], port);
}

int main(int argc, char **argv) {
  char line[64];
  if (argc < 5) wrong("usage: load <port> <connections> <size> <depth> [spin]");
  count = strtoul(argv[2], NULL, 10);
  size = strtoul(argv[3], NULL, 10);
  depth = strtoul(argv[4], NULL, 10);
  if (!count || !size || !depth) wrong("connections, size and depth are numbers > 0");
  spin = argc > 5 && strcmp(argv[5], "spin") == 0;
  prepare(atoi(argv[1]));
  printf("{\"connections\":%zu}\n", count);
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    const char *ms = strchr(line, ' ');
    if (!ms) wrong("a command is: run <ms> | check <ms>");
    compare_all = strncmp(line, "check", 5) == 0;
    run(atof(ms));
  }
  return 0;
}
