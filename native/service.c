/*
 * What a program has from whoever started it, and what it says back: listeners that it inherits as
 * descriptors (sd_listen_fds(3)), and messages to a service manager (sd_notify(3)).
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "coronet.h"

/* An int that the system knows of a socket, or a negated errno: EBADF, ENOTSOCK. */
static int known(int fd, int name, int *out) {
  socklen_t length = sizeof *out;
  return getsockopt(fd, SOL_SOCKET, name, out, &length) == 0 ? 0 : -errno;
}

/* 0 for a stream socket that listens and whose addresses we can write. */
static int check_listener(int fd) {
  int accepts = 0, type = 0, family = 0;
  int error = known(fd, SO_ACCEPTCONN, &accepts);
  if (error == 0) error = known(fd, SO_TYPE, &type);
  if (error == 0) error = known(fd, SO_DOMAIN, &family);
  if (error != 0) return error;
  bool usable = family == AF_INET || family == AF_INET6 || family == AF_UNIX;
  return accepts && type == SOCK_STREAM && usable ? 0 : -EINVAL;
}

/* Two owners of one descriptor would close it twice, and the second time it is another's. */
static bool is_held(const Environment *environment, int fd) {
  for (uint32_t index = 0; index < environment->capacity; index += 1) {
    if (environment->slots[index].fd == fd) return true;
  }
  return false;
}

/*
 * What our own sockets have from the call that makes them. O_NONBLOCK belongs to the open file, so
 * other processes that hold it see it too; a listener that blocks would be of no use to them either
 * when two of them wake for one connection.
 */
static int prepare_inherited(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return -errno;
  return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? 0 : -errno;
}

/*
 * adopt(poller, fd): the handle of a listener that was inherited, or an errno; -EBUSY if it is open
 * here under another handle. The connections that wait in its queue are an edge.
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
  if (error == 0 && is_held(call.environment, fd)) error = -EBUSY;
  if (error == 0) error = prepare_inherited(fd);
  if (error == 0) error = slot_reserve(call.environment, &index);
  if (error != 0) return call_result(&call, error);
  int32_t handle = socket_adopt(poller, index, fd, EPOLLIN);
  if (handle >= 0) {
    slot_find(call.environment, handle)->inherited = true;
    poller_keep_spare(poller);
  }
  return call_result(&call, handle);
}

/*
 * notify(family, path, 0, message): sends one datagram to a Unix socket: 0, or an errno. A manager
 * that does not read in time misses the message; the program does not wait for it. The socket is
 * kept: a program whose descriptors have run out is alive, and must be able to say so.
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
