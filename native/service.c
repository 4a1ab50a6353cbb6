/*
 * The interface to the process that started the program: listeners that are inherited as
 * descriptors (sd_listen_fds(3)), and messages to a service manager (sd_notify(3)).
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "coronet.h"

/* Reads an integer socket option. Returns 0 or a negated errno: EBADF, ENOTSOCK. */
static int read_option(int fd, int name, int *out) {
  socklen_t length = sizeof *out;
  return getsockopt(fd, SOL_SOCKET, name, out, &length) == 0 ? 0 : -errno;
}

/* Returns 0 for a listening stream socket of a read_option address family. */
static int check_listener(int fd) {
  int accepts = 0, type = 0, family = 0;
  int error = read_option(fd, SO_ACCEPTCONN, &accepts);
  if (error == 0) error = read_option(fd, SO_TYPE, &type);
  if (error == 0) error = read_option(fd, SO_DOMAIN, &family);
  if (error != 0) return error;
  bool usable = family == AF_INET || family == AF_INET6 || family == AF_UNIX;
  return accepts && type == SOCK_STREAM && usable ? 0 : -EINVAL;
}

/* A TCP listener without TCP_NODELAY. Setting it would not affect the connections in its queue. */
static bool delays_connections(int fd) {
  int no_delay = 0;
  socklen_t length = sizeof no_delay;
  return getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &length) == 0 && no_delay == 0;
}

/* Two owners would close the descriptor twice, and the second time it may be another socket. */
static bool is_open_here(const Environment *environment, int fd) {
  for (uint32_t index = 0; index < environment->capacity; index += 1) {
    if (environment->slots[index].fd == fd) return true;
  }
  return false;
}

/*
 * Sets the flags that sockets of the addon have from their creation. O_NONBLOCK belongs to the open
 * file description, so other processes that share it are affected. A blocking listener would not
 * suit them either if two of them wake up for one connection.
 */
static int prepare_inherited(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return -errno;
  return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? 0 : -errno;
}

/*
 * adopt(poller, fd): the handle of an inherited listener, or an errno; -EBUSY if it is already open
 * here under another handle. Connections that wait in its queue are reported as an edge.
 */
napi_value coronet_adopt(napi_env env, napi_callback_info info) {
  Call call;
  int32_t id = 0, fd = 0;
  uint32_t index = 0;
  if (!call_begin(env, info, 2, &call) || !call_int(&call, 0, &id)) return NULL;
  if (!call_int(&call, 1, &fd)) return NULL;
  Poller *poller = poller_find(call.environment, id);
  if (poller == NULL) return call_result(&call, -EBADF);
  int error = check_listener(fd);
  if (error == 0 && is_open_here(call.environment, fd)) error = -EBUSY;
  if (error == 0) error = prepare_inherited(fd);
  if (error == 0) error = slot_reserve(call.environment, &index);
  if (error != 0) return call_result(&call, error);
  int32_t handle = socket_adopt(poller, index, fd, EPOLLIN);
  if (handle >= 0) {
    Slot *slot = slot_find(call.environment, handle);
    slot->inherited = true;
    slot->delays = delays_connections(fd);
    poller_keep_spare(poller);
  }
  return call_result(&call, handle);
}

/*
 * duplicate(fd): a second descriptor of an inherited listener, or an errno. The first one stays
 * open when the second is adopted and closed.
 */
napi_value coronet_duplicate(napi_env env, napi_callback_info info) {
  Call call;
  int32_t fd = 0;
  if (!call_begin(env, info, 1, &call) || !call_int(&call, 0, &fd)) return NULL;
  int error = check_listener(fd);
  if (error != 0) return call_result(&call, error);
  int second = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  return call_result(&call, second < 0 ? -errno : second);
}

/*
 * notify(family, path, 0, message): sends one datagram to a Unix socket: 0, or an errno. The
 * program does not wait for a manager that does not read; the message is lost. The socket stays
 * open, so that a program without a free descriptor can still send messages.
 */
napi_value coronet_notify(napi_env env, napi_callback_info info) {
  Call call;
  Address to;
  uint8_t *message = NULL;
  size_t length = 0;
  int error = 0;
  if (!call_begin(env, info, 4, &call) || !address_read(&call, 0, &to, &error)) return NULL;
  if (!call_bytes(&call, 3, &message, &length)) return NULL;
  if (error == 0 && to.u.any.sa_family != AF_UNIX) error = -EINVAL;
  if (error != 0) return call_result(&call, error);
  int *fd = &call.environment->notifier;
  if (*fd < 0) *fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (*fd < 0) return call_result(&call, -errno);
  ssize_t sent = sendto(*fd, message, length, MSG_NOSIGNAL, &to.u.any, to.length);
  return call_result(&call, sent < 0 ? -errno : 0);
}
