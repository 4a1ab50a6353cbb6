/*
 * The load: many connections, cheap enough that the server is the bottleneck.
 *
 *   load <port> <connections> <size> <depth> <protocol> [spin]
 *
 *   echo       bytes, echoed
 *   lines      lines of <size> bytes with the line end
 *   frames     frames of <size> bytes with their length of four bytes
 *   ws         WebSocket messages of <size> bytes
 *   fanout     the last connection sends messages of <size> bytes, and all receive each of them
 *   ws-fanout  the same with WebSocket messages
 *
 * Compiled with -DTLS, the connections use TLS. It opens the connections, one echo each (fanout: a
 * byte of the server each), and prints a JSON line. Then it reads commands:
 *   run <ms>           keep <depth> messages outstanding on every connection: a closed loop
 *   check <ms>         the same, comparing every byte (warm-up)
 *   pace <ms> <rate>   send <rate> messages per second at fixed times, in turn on all connections:
 *                      an open loop. The latency is that from the scheduled time of a message, so
 *                      that a server or a load that stalls does not hide it
 * and responds to each with a JSON line. End of file on stdin ends it.
 *
 * A run ends drained: nothing is sent after the time is over, and the response follows the last
 * byte. So the messages counted are exactly those in the usage of the server between two requests
 * for it.
 *
 * With `echo`, every connection sends a rolling pattern with its own phase. In `run` the ends of
 * each chunk are compared, which detects a lost, doubled or misrouted chunk at the cost of 128
 * bytes. The other protocols repeat one message.
 */
#define _GNU_SOURCE
#include <sys/epoll.h>

#include "client.h"

enum { READ_SIZE = 262144, EVENTS = 1024, PERIOD = 251, ENDS = 64, HEADER = 14 };

struct conn {
  struct transport transport;
  uint64_t sent, received; /* bytes since the start: the phase of the pattern */
  uint64_t permitted;      /* messages that may be sent: the limit of the closed loop */
};

/* The bytes of one direction: messages of `size` bytes, which repeat after `period` bytes. */
struct stream {
  char *bytes;
  size_t size, period, span;
};

static struct conn *conns;
static struct stream out, in;
static size_t count, size, depth;
static int ep, spin, running, compare_all, ws, fan;
static int phased; /* every connection begins at another byte of the period */
static char *buffer;
static uint64_t expected_total, received_total; /* bytes */

/* Of an open loop: the scheduled time of message n is start + n * interval. */
static struct {
  uint64_t start, scheduled, total, measured;
  double interval;
  uint64_t *before;    /* by connection: the messages received before the run */
  uint64_t *latencies; /* ns */
} open_loop;

static const char *phase(const struct stream *s, const struct conn *c, uint64_t offset) {
  return s->bytes + (offset + (phased ? (size_t)(c - conns) : 0)) % s->period;
}

static struct conn *sender(struct conn *c) { return fan ? &conns[count - 1] : c; }

static void verify(struct conn *c, size_t got) {
  const char *expected = phase(&in, c, c->received);
  int same;
  if (compare_all || got <= 2 * ENDS) {
    same = memcmp(buffer, expected, got) == 0;
  } else {
    size_t tail = got - ENDS;
    same = memcmp(buffer, expected, ENDS) == 0 && memcmp(buffer + tail, expected + tail, ENDS) == 0;
  }
  if (!same) wrong("the response differs from what was sent");
  if ((c->received + got) * out.size > sender(c)->sent * in.size) {
    wrong("more came back than was sent");
  }
}

static void permit(struct conn *c, uint64_t messages) {
  expected_total += (messages - c->permitted) * in.size * (fan ? count : 1);
  c->permitted = messages;
}

static void push(struct conn *c) {
  uint64_t goal = c->permitted * out.size;
  while (c->sent < goal) {
    size_t length = goal - c->sent < out.span ? goal - c->sent : out.span;
    ssize_t n = transport_send(&c->transport, phase(&out, c, c->sent), length);
    if (n < 0 && errno == EAGAIN) return; /* the edge of EPOLLOUT calls this again */
    if (n < 0) die("send");
    c->sent += n;
  }
}

/* The messages of connection i in an open loop are i, i + count, i + 2 * count, … */
static void measure_latency(const struct conn *c, uint64_t from, uint64_t to) {
  size_t index = c - conns;
  uint64_t now = now_ns();
  for (uint64_t i = from; i < to; i++) {
    uint64_t message = (i - open_loop.before[index]) * count + index;
    uint64_t due = open_loop.start + (uint64_t)(message * open_loop.interval);
    open_loop.latencies[open_loop.measured++] = now > due ? now - due : 0;
  }
}

static void receive(struct conn *c, size_t got) {
  uint64_t from = c->received / in.size;
  verify(c, got);
  c->received += got;
  received_total += got;
  if (open_loop.latencies) measure_latency(c, from, c->received / in.size);
}

static void pull(struct conn *c) {
  for (;;) {
    ssize_t n = transport_recv(&c->transport, buffer, READ_SIZE);
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) die("recv");
    if (n == 0) wrong("the server closed a connection");
    receive(c, n);
    if (SHORT_READ_IS_ALL && n < READ_SIZE) break;
  }
  if (!running) return;
  if (!fan) permit(c, c->received / in.size + depth);
  else permit(sender(c), received_total / (in.size * count) + depth);
}

static void turn(uint64_t *last) {
  static struct epoll_event events[EVENTS];
  int n = epoll_wait(ep, events, EVENTS, spin || open_loop.latencies ? 0 : STALL_MS);
  if (n < 0 && errno != EINTR) die("epoll_wait");
  for (int i = 0; i < n; i++) {
    struct conn *c = events[i].data.ptr;
    if (events[i].events & ~(uint32_t)EPOLLOUT) pull(c);
    push(c);
  }
  if (fan) push(sender(conns));
  uint64_t now = now_ns();
  errno = 0;
  if (n <= 0 && now - *last > STALL_MS * 900000ull) die("stalled");
  if (n > 0 || !*last) *last = now;
}

static void run(double ms) {
  struct rusage before;
  getrusage(RUSAGE_SELF, &before);
  uint64_t start = now_ns(), last = start, bytes = received_total;
  running = 1;
  for (size_t i = fan ? count - 1 : 0; i < count; i++) {
    permit(&conns[i], conns[i].permitted + depth);
    push(&conns[i]);
  }
  while (running || received_total < expected_total) {
    turn(&last);
    if (running && now_ns() - start >= ms * 1e6) running = 0;
  }
  report((received_total - bytes) / in.size, now_ns() - start, &before);
  end_report();
}

static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static double quantile_us(double q) {
  return open_loop.latencies[(size_t)(q * (open_loop.measured - 1))] / 1e3;
}

static void begin_open_loop(double ms, double rate) {
  open_loop.total = ms * rate / 1e3;
  open_loop.interval = 1e9 / rate;
  open_loop.scheduled = open_loop.measured = 0;
  open_loop.latencies = calloc(open_loop.total, sizeof *open_loop.latencies);
  open_loop.before = calloc(count, sizeof *open_loop.before);
  if (!open_loop.total || !open_loop.latencies || !open_loop.before) die("pace");
  for (size_t i = 0; i < count; i++) open_loop.before[i] = conns[i].received / in.size;
  open_loop.start = now_ns();
}

static void send_due(void) {
  uint64_t now = now_ns();
  while (open_loop.scheduled < open_loop.total &&
         now >= open_loop.start + (uint64_t)(open_loop.scheduled * open_loop.interval)) {
    struct conn *c = &conns[open_loop.scheduled++ % count];
    permit(c, c->permitted + 1);
    push(c);
  }
}

static void pace(double ms, double rate) {
  struct rusage before;
  getrusage(RUSAGE_SELF, &before);
  begin_open_loop(ms, rate);
  uint64_t last = open_loop.start;
  while (open_loop.measured < open_loop.total) {
    send_due();
    turn(&last);
  }
  report(open_loop.total, now_ns() - open_loop.start, &before);
  qsort(open_loop.latencies, open_loop.measured, sizeof *open_loop.latencies, ascending);
  printf(",\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"worst\":%.1f", quantile_us(0.5),
         quantile_us(0.99), quantile_us(0.999), quantile_us(1));
  end_report();
  free(open_loop.latencies);
  free(open_loop.before);
  open_loop.latencies = open_loop.before = NULL;
}

/* The client's half of the opening handshake, RFC 6455, section 4.1. */
static void upgrade(struct conn *c, int port) {
  char text[1024];
  size_t length = 0;
  int request = snprintf(text, sizeof text,
                         "GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                         "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                         port);
  if (transport_send(&c->transport, text, request) != request) die("upgrade");
  while (length < 4 || memcmp(text + length - 4, "\r\n\r\n", 4) != 0) {
    if (length == sizeof text) wrong("the response to the upgrade is too long");
    if (transport_recv(&c->transport, text + length, 1) != 1) die("upgrade");
    length++;
  }
  if (memcmp(text, "HTTP/1.1 101", 12) != 0) wrong("the server rejected the upgrade");
}

/* Waits until the server serves a new connection, which also bounds the accept queue. */
static void greet(struct conn *c, int port) {
  if (ws) upgrade(c, port);
  if (fan) {
    if (!ws && transport_recv(&c->transport, buffer, 1) != 1) die("first byte");
    return;
  }
  permit(c, c->permitted + 1);
  push(c);
  while (c->received < in.size) {
    ssize_t n = transport_recv(&c->transport, buffer, READ_SIZE);
    if (n <= 0) die("first echo");
    receive(c, n);
  }
}

static void open_conn(struct conn *c, int port) {
  struct timeval patience = {.tv_sec = STALL_MS / 1000};
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
  int fd = connect_to(port, 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  c->transport.fd = fd;
#ifdef TLS
  static SSL_CTX *context;
  if (!context) context = client_context();
  transport_open(&c->transport, fd, context, 0);
#endif
  greet(c, port);
  if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) die("fcntl");
  if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

/* Repeats `message`, long enough for the longest send and receive at any phase. */
static struct stream stream_of(const char *message, size_t length, size_t period) {
  size_t span = length * depth > READ_SIZE ? length * depth : READ_SIZE;
  struct stream made = {malloc(span + period), length, period, span};
  if (!made.bytes) die("malloc");
  for (size_t i = 0; i < span + period; i++) made.bytes[i] = message[i % period];
  return made;
}

/* A final binary frame, RFC 6455, section 5.2. Returns the length of its header. */
static size_t frame_header(unsigned char *at, int masked) {
  size_t length = 2;
  at[0] = 0x82;
  if (size < 126) {
    at[1] = size;
  } else if (size < 65536) {
    at[1] = 126;
    at[2] = size >> 8;
    at[3] = size;
    length = 4;
  } else {
    wrong("a WebSocket message has at most 65535 bytes");
  }
  if (!masked) return length;
  at[1] |= 0x80;
  memcpy(at + length, "\x5a\x3c\x91\xe7", 4);
  return length + 4;
}

static struct stream websocket_stream(int masked) {
  unsigned char *message = calloc(1, size + HEADER);
  if (!message) die("malloc");
  size_t header = frame_header(message, masked);
  for (size_t i = 0; i < size; i++) {
    unsigned char byte = 'a' + i % 23;
    message[header + i] = masked ? byte ^ message[header - 4 + i % 4] : byte;
  }
  struct stream made = stream_of((char *)message, header + size, header + size);
  free(message);
  return made;
}

static void choose_protocol(const char *name) {
  char *message = malloc(size > PERIOD ? size : PERIOD);
  size_t period = size;
  if (!message) die("malloc");
  phased = strcmp(name, "echo") == 0;
  ws = strncmp(name, "ws", 2) == 0;
  fan = strstr(name, "fanout") != NULL;
  for (size_t i = 0; i < size; i++) message[i] = 'a' + i % 23;
  if (phased) {
    period = PERIOD;
    for (size_t i = 0; i < PERIOD; i++) message[i] = (char)i;
  } else if (strcmp(name, "lines") == 0) {
    message[size - 1] = '\n';
  } else if (strcmp(name, "frames") == 0) {
    uint32_t length = htonl(size - sizeof length);
    if (size < 5) wrong("a frame has at least 5 bytes");
    memcpy(message, &length, sizeof length);
  } else if (!ws && !fan) {
    wrong("unknown protocol");
  }
  out = ws ? websocket_stream(1) : stream_of(message, size, period);
  in = ws ? websocket_stream(0) : stream_of(message, size, period);
  free(message);
}

static void prepare(int port, const char *protocol) {
  allow_descriptors();
  conns = calloc(count, sizeof *conns);
  buffer = malloc(READ_SIZE);
  if (!conns || !buffer) die("malloc");
  choose_protocol(protocol);
  compare_all = 1;
  ep = epoll_create1(EPOLL_CLOEXEC);
  for (size_t i = 0; i < count; i++) open_conn(&conns[i], port);
}

int main(int argc, char **argv) {
  char line[64];
  if (argc < 6) wrong("usage: load <port> <connections> <size> <depth> <protocol> [spin]");
  count = strtoul(argv[2], NULL, 10);
  size = strtoul(argv[3], NULL, 10);
  depth = strtoul(argv[4], NULL, 10);
  if (!count || !size || !depth) wrong("connections, size and depth are numbers > 0");
  spin = argc > 6 && strcmp(argv[6], "spin") == 0;
  prepare(atoi(argv[1]), argv[5]);
  printf("{\"connections\":%zu}\n", count);
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    char *rest = strchr(line, ' ');
    if (!rest) wrong("a command is: run <ms> | check <ms> | pace <ms> <rate>");
    double ms = strtod(rest, &rest);
    compare_all = strncmp(line, "check", 5) == 0;
    if (strncmp(line, "pace", 4) == 0) pace(ms, strtod(rest, NULL));
    else run(ms);
  }
  return 0;
}
