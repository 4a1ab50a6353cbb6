/*
 * The load of a relay: it sends on one connection and receives on another as fast as possible.
 *
 *   bulk <port> <pairs> <window> [spin]
 *
 * It opens <pairs> pairs of connections, moves one byte over each pair (which proves that the relay
 * pairs connections in the order of arrival) and prints a JSON line. Then it reads commands:
 *   run <bytes>        send so many on the first connection of each pair, count them at the second
 *   check <bytes>      the same, and compare every byte with what was sent (warm-up)
 * and responds to each with a JSON line. End of file on stdin ends it.
 *
 * At most <window> bytes of a pair are in flight. Without this bound megabytes queue in front of
 * the slower relays and leave the CPU caches before they are read, which would increase the cost of
 * a slow relay further.
 *
 * A run ends when every byte has arrived, so that the CPU time of the relay belongs to exactly
 * these bytes. In `run` they are counted and dropped inside the kernel (MSG_TRUNC, tcp(7)), which
 * halves the work of the load: it must not be the bottleneck. The pairs take turns, one send and
 * one receive each, so that all of them are active at the same time.
 *
 * Every pair sends a rolling pattern with its own phase: lost, doubled or misrouted bytes differ.
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

enum { PIECE = 262144, EVENTS = 1024, PERIOD = 251, STALL_MS = 5000 };

/* One end of a pair. `ready`: an edge was reported, and no call has returned EAGAIN since. */
struct end {
  int fd, ready;
};

struct pair {
  struct end in, out;
  uint64_t sent, received; /* bytes since the start: the phase of the pattern */
};

static struct pair *pairs;
static size_t count;
static int ep, spin, comparing;
static uint64_t window, goal; /* `goal`: the bytes that every pair sends and receives */
static size_t unfinished;
static char *pattern, *buffer;

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

static const char *phase(const struct pair *p, uint64_t offset) {
  return pattern + (offset + (size_t)(p - pairs)) % PERIOD;
}

static size_t at_most(uint64_t bytes) { return bytes < PIECE ? bytes : PIECE; }

/* The number of bytes that the pair may send now. */
static uint64_t allowed(const struct pair *p) {
  uint64_t end = p->received + window < goal ? p->received + window : goal;
  return end - p->sent;
}

/* The bytes that a system call moved; 0: it would block, and an edge will follow. */
static size_t moved(struct end *end, ssize_t result, const char *what) {
  if (result >= 0) return result;
  if (errno != EAGAIN && errno != EINTR) die(what);
  end->ready = errno == EINTR;
  return 0;
}

static void push(struct pair *p) {
  size_t length = at_most(allowed(p));
  if (!p->in.ready || length == 0) return;
  ssize_t n = send(p->in.fd, phase(p, p->sent), length, MSG_NOSIGNAL);
  p->sent += moved(&p->in, n, "send");
}

static void pull(struct pair *p) {
  if (!p->out.ready || p->received == goal) return;
  ssize_t n = recv(p->out.fd, buffer, at_most(goal - p->received), comparing ? 0 : MSG_TRUNC);
  if (n == 0) wrong("the relay closed a connection");
  size_t got = moved(&p->out, n, "recv");
  if (comparing && memcmp(buffer, phase(p, p->received), got) != 0) {
    wrong("what came out differs from what was sent");
  }
  p->received += got;
  if (p->received > p->sent) wrong("more came out than was sent");
  if (got > 0 && p->received == goal) unfinished--;
}

/* Reads surplus bytes, so that they do not count as bytes of the next run. */
static void expect_silence(void) {
  for (size_t i = 0; i < count; i++) {
    ssize_t n = recv(pairs[i].out.fd, buffer, PIECE, 0);
    if (n == 0) wrong("the relay closed a connection");
    if (n > 0) wrong("more came out than was sent");
    if (errno != EAGAIN) die("recv");
  }
}

/* One turn for every pair; 1: some pairs can continue without an event. */
static int turn(void) {
  int active = 0;
  for (size_t i = 0; i < count; i++) {
    struct pair *p = &pairs[i];
    push(p);
    pull(p);
    active |= (p->in.ready && allowed(p) > 0) || (p->out.ready && p->received < goal);
  }
  return active;
}

/* Records edges. The event data is a pointer to the end of the pair. */
static int listen_for(int timeout_ms) {
  static struct epoll_event events[EVENTS];
  int n = epoll_wait(ep, events, EVENTS, timeout_ms);
  if (n < 0 && errno != EINTR) die("epoll_wait");
  for (int i = 0; i < n; i++) ((struct end *)events[i].data.ptr)->ready = 1;
  return n > 0;
}

static long micros(struct timeval t) { return t.tv_sec * 1000000L + t.tv_usec; }

static void report(uint64_t bytes, uint64_t ns, const struct rusage *before) {
  struct rusage after;
  getrusage(RUSAGE_SELF, &after);
  printf("{\"bytes\":%llu,\"ns\":%llu,\"user\":%ld,\"sys\":%ld}\n", (unsigned long long)bytes,
         (unsigned long long)ns, micros(after.ru_utime) - micros(before->ru_utime),
         micros(after.ru_stime) - micros(before->ru_stime));
  fflush(stdout);
}

static void run(uint64_t bytes) {
  struct rusage before;
  getrusage(RUSAGE_SELF, &before);
  uint64_t start = now_ns(), last = start;
  goal += bytes;
  unfinished = count;
  while (unfinished > 0) {
    int active = turn();
    int woken = listen_for(active || spin ? 0 : STALL_MS);
    uint64_t now = now_ns();
    if (active || woken) last = now;
    errno = 0;
    if (now - last > STALL_MS * 900000ull) die("stalled");
  }
  uint64_t ns = now_ns() - start;
  expect_silence();
  report(bytes * count, ns, &before);
}

static void watch(struct end *end, uint32_t events) {
  struct epoll_event event = {.events = events | EPOLLET, .data.ptr = end};
  if (fcntl(end->fd, F_SETFL, O_NONBLOCK) < 0) die("fcntl");
  if (epoll_ctl(ep, EPOLL_CTL_ADD, end->fd, &event) < 0) die("epoll_ctl");
}

static int dial(int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  struct timeval patience = {.tv_sec = STALL_MS / 1000};
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
  return fd;
}

static void open_pair(struct pair *p, int port) {
  p->in.fd = dial(port);
  p->out.fd = dial(port);
  if (send(p->in.fd, phase(p, 0), 1, MSG_NOSIGNAL) != 1) die("send");
  if (recv(p->out.fd, buffer, 1, 0) != 1) die("first byte");
  if (*buffer != *phase(p, 0)) wrong("what came out differs from what was sent");
  p->sent = p->received = 1;
  watch(&p->in, EPOLLOUT);
  watch(&p->out, EPOLLIN);
}

static void prepare(int port) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  pairs = calloc(count, sizeof *pairs);
  pattern = malloc(PIECE + PERIOD);
  buffer = malloc(PIECE);
  if (!pairs || !pattern || !buffer) die("malloc");
  for (size_t i = 0; i < PIECE + PERIOD; i++) pattern[i] = (char)(i % PERIOD);
  ep = epoll_create1(EPOLL_CLOEXEC);
  for (size_t i = 0; i < count; i++) open_pair(&pairs[i], port);
  goal = 1;
}

int main(int argc, char **argv) {
  char line[64];
  if (argc < 4) wrong("usage: bulk <port> <pairs> <window> [spin]");
  count = strtoul(argv[2], NULL, 10);
  window = strtoull(argv[3], NULL, 10);
  if (!count || !window) wrong("pairs and window are numbers > 0");
  spin = argc > 4 && strcmp(argv[4], "spin") == 0;
  prepare(atoi(argv[1]));
  printf("{\"pairs\":%zu}\n", count);
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    const char *argument = strchr(line, ' ');
    uint64_t bytes = argument ? strtoull(argument, NULL, 10) : 0;
    if (bytes == 0) wrong("a command is: run <bytes> | check <bytes>");
    comparing = strncmp(line, "check", 5) == 0;
    run(bytes);
  }
  return 0;
}
