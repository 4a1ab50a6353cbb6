/*
 * Socket options. Every option here is an int.
 *
 * JavaScript passes the index of an option in the table below as its code, so it is independent of
 * the numbers of this system. Values are in the units of the system: seconds for TCP_KEEPIDLE and
 * TCP_KEEPINTVL, milliseconds for TCP_USER_TIMEOUT, bytes for buffers, of which Linux reports twice
 * the value that was set (socket(7)). The system rejects values that are out of range.
 */
#include <errno.h>
#include <netinet/tcp.h>

#include "coronet.h"

typedef struct {
  const char *option; /* the name in JavaScript (SocketOption of src/world/network.ts) */
  int level;
  int name;
  bool tcp; /* not available on a Unix socket */
} Option;

/* Exported to JavaScript in this order. */
static const Option OPTIONS[] = {
    {"noDelay", IPPROTO_TCP, TCP_NODELAY, true},
    {"keepAlive", SOL_SOCKET, SO_KEEPALIVE, true},
    {"keepAliveIdleMs", IPPROTO_TCP, TCP_KEEPIDLE, true},
    {"keepAliveIntervalMs", IPPROTO_TCP, TCP_KEEPINTVL, true},
    {"keepAliveCount", IPPROTO_TCP, TCP_KEEPCNT, true},
    {"userTimeoutMs", IPPROTO_TCP, TCP_USER_TIMEOUT, true},
    {"recvBufferSize", SOL_SOCKET, SO_RCVBUF, false},
    {"sendBufferSize", SOL_SOCKET, SO_SNDBUF, false},
};
#define OPTION_COUNT ((int32_t)(sizeof OPTIONS / sizeof OPTIONS[0]))

const char *socket_option_name(size_t code) {
  return code < (size_t)OPTION_COUNT ? OPTIONS[code].option : NULL;
}

int socket_option(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : -errno;
}

/* Called before listen or connect. Size 0 leaves the buffer to the system, which adapts it. */
int set_buffer_sizes(int fd, int32_t receive, int32_t send) {
  int error = receive == 0 ? 0 : socket_option(fd, SOL_SOCKET, SO_RCVBUF, receive);
  return error != 0 || send == 0 ? error : socket_option(fd, SOL_SOCKET, SO_SNDBUF, send);
}

/*
 * Returns the descriptor; -EBADF; -ENOPROTOOPT for an unknown code; -EOPNOTSUPP for a TCP option of
 * a Unix socket.
 */
static int find_option(Call *call, int32_t handle, int32_t code, const Option **option) {
  Slot *slot = stream_find(call->environment, handle);
  if (slot == NULL) return -EBADF;
  if (code < 0 || code >= OPTION_COUNT) return -ENOPROTOOPT;
  *option = &OPTIONS[code];
  return (*option)->tcp && slot->peer.family == AF_UNIX ? -EOPNOTSUPP : slot->fd;
}

/* getOption(handle, code): the value, which is never negative, or a negated errno */
napi_value coronet_get_option(napi_env env, napi_callback_info info) {
  Call call;
  const Option *option = NULL;
  int32_t handle = 0, code = 0;
  int value = 0;
  socklen_t length = sizeof value;
  if (!call_begin(env, info, 2, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_int(&call, 1, &code)) return NULL;
  int fd = find_option(&call, handle, code, &option);
  if (fd < 0) return call_result(&call, fd);
  if (getsockopt(fd, option->level, option->name, &value, &length) != 0) value = -errno;
  return call_result(&call, value);
}

/*
 * queued(listener): the number of connections in the queue of the system, or a negated errno. For a
 * listening TCP socket Linux reports it in tcpi_unacked (tcp_get_info in net/ipv4/tcp.c); for Unix
 * sockets it is not available (EOPNOTSUPP).
 */
napi_value coronet_queued(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0;
  struct tcp_info tcp;
  socklen_t length = sizeof tcp;
  if (!call_begin(env, info, 1, &call) || !call_int(&call, 0, &handle)) return NULL;
  Slot *slot = stream_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  if (getsockopt(slot->fd, IPPROTO_TCP, TCP_INFO, &tcp, &length) != 0) {
    return call_result(&call, -errno);
  }
  return call_result(&call, (int32_t)tcp.tcpi_unacked);
}

/* setOption(handle, code, value): 0, or a negated errno */
napi_value coronet_set_option(napi_env env, napi_callback_info info) {
  Call call;
  const Option *option = NULL;
  int32_t handle = 0, code = 0, value = 0;
  if (!call_begin(env, info, 3, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_int(&call, 1, &code) || !call_int(&call, 2, &value)) return NULL;
  int fd = find_option(&call, handle, code, &option);
  if (fd < 0) return call_result(&call, fd);
  return call_result(&call, socket_option(fd, option->level, option->name, value));
}
