/*
 * Listening, accepting, connecting, closing.
 *
 * Invariants:
 *  1. Every descriptor is non-blocking and close-on-exec from the call that creates it.
 *  2. A descriptor is in a slot before it is in epoll, so an event always carries a valid handle.
 *  3. A failed call leaves nothing open.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coronet.h"

#define SOCKET_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)
#define MAX_SHED 64 /* connections per call */

/* Fills the reserved slot and registers it. Closes the descriptor on failure. */
int32_t socket_adopt(Poller *poller, uint32_t index, int fd, uint32_t interest) {
  Environment *environment = poller->environment;
  int32_t handle = slot_fill(environment, index, fd, poller);
  Slot *slot = slot_find(environment, handle);
  int error = poller_register(slot, interest);
  if (error == 0) return handle;
  slot_release(environment, slot, true);
  return error;
}

/*
 * SO_REUSEADDR allows a restarted server to bind while old connections are in TIME_WAIT.
 * IPV6_V6ONLY is always set, because its default is a setting of the machine (net.ipv6.bindv6only).
 * Connections inherit TCP_NODELAY from a listener that has it before they arrive (Linux copies the
 * whole socket), which saves a system call for each.
 */
static int prepare_listener(int fd, sa_family_t family, int32_t flags) {
  if (family == AF_UNIX) return 0;
  int error = socket_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (error == 0) error = socket_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (error == 0 && (flags & REUSE_PORT)) error = socket_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (error == 0 && family == AF_INET6) {
    error = socket_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, (flags & IPV6_ONLY) != 0);
  }
  return error;
}

/* Arguments of listen in addition to the address. */
typedef struct {
  int32_t backlog;
  int32_t flags;
  int32_t mode;    /* permission bits of a Unix socket's file; negative: the umask applies */
  int32_t receive; /* buffer sizes, inherited by accepted sockets; 0: the system's default */
  int32_t send;
} ListenHow;

/*
 * Sets the permissions of a Unix socket's file between bind and listen, before any process can
 * connect. fchmod(2) would change the inode of the socket, not that of the file, and the umask,
 * which bind obeys, is shared by all threads of the process. An abstract name has no file.
 */
static int set_mode(const Address *at, int32_t mode) {
  if (mode < 0) return 0;
  const char *path = at->u.path.sun_path;
  if (at->u.any.sa_family != AF_UNIX || path[0] == '\0') return -EINVAL;
  return chmod(path, (mode_t)mode) == 0 ? 0 : -errno;
}

/* Removes the file that bind has created. */
static void unbind(const Address *at) {
  if (at->u.any.sa_family != AF_UNIX || at->u.path.sun_path[0] == '\0') return;
  unlink(at->u.path.sun_path);
}

/*
 * Returns a listening socket, or a negated errno. EADDRINUSE may come from bind or, with
 * SO_REUSEADDR, from listen. Buffer sizes are set before listen: the first segments of a connection
 * determine its window scale (tcp(7), SO_RCVBUF).
 */
static int open_listener(const Address *at, const ListenHow *how) {
  sa_family_t family = at->u.any.sa_family;
  int fd = socket(family, SOCK_STREAM | SOCKET_FLAGS, 0);
  if (fd < 0) return -errno;
  int error = prepare_listener(fd, family, how->flags);
  if (error == 0) error = set_buffer_sizes(fd, how->receive, how->send);
  if (error == 0 && bind(fd, &at->u.any, at->length) != 0) error = -errno;
  bool bound = error == 0;
  if (error == 0) error = set_mode(at, how->mode);
  if (error == 0 && listen(fd, how->backlog) != 0) error = -errno;
  if (error == 0) return fd;
  if (bound) unbind(at);
  close(fd);
  return error;
}

/* Arguments 4 to 8 of listen. */
static bool read_listen_how(Call *call, ListenHow *how) {
  return call_int(call, 4, &how->backlog) && call_int(call, 5, &how->flags) &&
         call_int(call, 6, &how->mode) && call_int(call, 7, &how->receive) &&
         call_int(call, 8, &how->send);
}

/*
 * listen(poller, family, host, port, backlog, flags, mode, receiveBuffer, sendBuffer): handle, or
 * an errno
 */
napi_value coronet_listen(napi_env env, napi_callback_info info) {
  Call call;
  Address at;
  ListenHow how;
  int32_t id = 0;
  int error = 0;
  uint32_t index = 0;
  if (!call_begin(env, info, 9, &call) || !call_int(&call, 0, &id)) return NULL;
  if (!address_read(&call, 1, &at, &error) || !read_listen_how(&call, &how)) return NULL;
  Poller *poller = poller_find(call.environment, id);
  if (poller == NULL) return call_result(&call, -EBADF);
  if (error == 0 && at.length == 0) error = -EINVAL;
  if (error == 0) error = slot_reserve(call.environment, &index);
  if (error != 0) return call_result(&call, error);
  int fd = open_listener(&at, &how);
  if (fd >= 0) poller_keep_spare(poller);
  return call_result(&call, fd < 0 ? fd : socket_adopt(poller, index, fd, EPOLLIN));
}

/*
 * listenShared(family, host, port, backlog, flags): a listening descriptor, or an errno. It is in
 * no slot and in no epoll, so its connections do not wake this process: child processes inherit it
 * and accept. The caller closes it.
 */
napi_value coronet_listen_shared(napi_env env, napi_callback_info info) {
  Call call;
  Address at;
  ListenHow how = {.mode = -1};
  int error = 0;
  if (!call_begin(env, info, 5, &call) || !address_read(&call, 0, &at, &error)) return NULL;
  if (!call_int(&call, 3, &how.backlog) || !call_int(&call, 4, &how.flags)) return NULL;
  if (error == 0 && at.length == 0) error = -EINVAL;
  return call_result(&call, error == 0 ? open_listener(&at, &how) : error);
}

static napi_value local_name(Call *call, int fd) {
  Address name = {.length = sizeof name.u};
  if (getsockname(fd, &name.u.any, &name.length) != 0) return call_result(call, -errno);
  return address_write(call->env, &name.u.any, name.length);
}

/* bound(fd): the address of such a descriptor, as from `local`; or an errno */
napi_value coronet_bound(napi_env env, napi_callback_info info) {
  Call call;
  int32_t fd = 0;
  if (!call_begin(env, info, 1, &call) || !call_int(&call, 0, &fd)) return NULL;
  return local_name(&call, fd);
}

/*
 * Errors of accept4 that concern the first connection in the queue, which is removed with them
 * (accept(2), "Error handling"). The caller takes the next one.
 */
static bool failed_in_queue(int error) {
  switch (error) {
    case EINTR: case ECONNABORTED: case EPROTO: case ENETDOWN: case ENOPROTOOPT: case EHOSTDOWN:
    case ENONET: case EHOSTUNREACH: case EOPNOTSUPP: case ENETUNREACH: case EPERM:
      return true;
    default:
      return false;
  }
}

/*
 * Returns the handle of the next connection, or a negated errno. It is registered at once, even if
 * no task accepts it yet: its first edge is "writable", and "readable" as well if bytes have
 * arrived.
 */
static int32_t accept_one(Environment *environment, int32_t listener) {
  PeerAddress peer = {.family = AF_UNSPEC};
  socklen_t length = sizeof peer;
  uint32_t index = 0;
  int32_t error = slot_reserve(environment, &index); /* first: it may move the table */
  if (error != 0) return error;
  Slot *from = slot_find(environment, listener);
  int fd = accept4(from->fd, &peer.any, &length, SOCKET_FLAGS);
  if (fd < 0) return -errno;
  if (from->delays) socket_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  int32_t handle = socket_adopt(from->poller, index, fd, CONNECTION_EVENTS);
  if (handle >= 0) slot_find(environment, handle)->peer = peer;
  return handle;
}

/*
 * Writes the record of a connection. JavaScript formats IPv4 addresses faster than an object with
 * an address is made here.
 */
static void write_accepted(int32_t *record, int32_t handle, const PeerAddress *peer) {
  const struct in6_addr *v6 = &peer->v6.sin6_addr;
  memset(record, 0, ACCEPT_INTS * sizeof *record);
  record[ACCEPT_HANDLE] = handle;
  if (peer->family == AF_INET) {
    record[ACCEPT_FAMILY] = 4;
    record[ACCEPT_PORT] = ntohs(peer->v4.sin_port);
    memcpy(&record[ACCEPT_HOST], &peer->v4.sin_addr, sizeof peer->v4.sin_addr);
  } else if (peer->family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(v6)) {
    record[ACCEPT_FAMILY] = 6;
    record[ACCEPT_PORT] = ntohs(peer->v6.sin6_port);
    memcpy(&record[ACCEPT_HOST], &v6->s6_addr[12], sizeof record[ACCEPT_HOST]);
  }
}

/*
 * accept(listener, out: Int32Array, most): the number of accepted connections, or -EBADF. out[0] is
 * the reason why there are no more: 0 (there may be more), -EAGAIN (the queue is empty), or an
 * errno. A connection that caused an error of resources is still in the queue. The records of the
 * connections, of ACCEPT_INTS ints each, begin at out[1].
 */
napi_value coronet_accept(napi_env env, napi_callback_info info) {
  Call call;
  int32_t listener = 0, most = 0, *out = NULL;
  size_t length = 0;
  if (!call_begin(env, info, 3, &call) || !call_int(&call, 0, &listener)) return NULL;
  if (!call_int32_array(&call, 1, &out, &length) || !call_int(&call, 2, &most)) return NULL;
  if (stream_find(call.environment, listener) == NULL) return call_result(&call, -EBADF);
  size_t capacity = (length - 1) / ACCEPT_INTS;
  if (most > 0 && (size_t)most > capacity) most = (int32_t)capacity;
  int32_t count = 0;
  out[0] = 0;
  for (int tries = 0; count < most && tries / 2 < most; tries += 1) {
    int32_t handle = accept_one(call.environment, listener);
    if (handle >= 0) {
      const Slot *slot = slot_find(call.environment, handle);
      write_accepted(&out[1 + count * ACCEPT_INTS], handle, &slot->peer);
      count += 1;
    } else if (!failed_in_queue(-handle)) {
      out[0] = handle == -EWOULDBLOCK ? -EAGAIN : handle;
      break;
    }
  }
  return call_result(&call, count);
}

/* Accepts one connection and resets it: 1; 0 if it has ended already; or a negated errno. */
static int shed_one(int listener) {
  struct linger abort_now = {.l_onoff = 1, .l_linger = 0};
  int fd = accept4(listener, NULL, NULL, SOCKET_FLAGS);
  if (fd < 0) return failed_in_queue(errno) ? 0 : -errno;
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_now, sizeof abort_now);
  close(fd);
  return 1;
}

/*
 * shed(listener, most): accepts and resets the first connections in the queue: their number, or
 * -EBADF. The spare descriptor is closed for this, used for one connection after the other, and
 * reopened at the end. If another thread has used it up meanwhile, no connection is shed now.
 */
napi_value coronet_shed(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0, most = 0, count = 0;
  if (!call_begin(env, info, 2, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_int(&call, 1, &most)) return NULL;
  Slot *slot = stream_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  if (most > MAX_SHED) most = MAX_SHED;
  Poller *poller = slot->poller;
  if (poller->spare >= 0) close(poller->spare);
  poller->spare = -1;
  for (int tries = 0; count < most && tries < 2 * MAX_SHED; tries += 1) {
    int shed = shed_one(slot->fd);
    if (shed < 0) break;
    count += shed;
  }
  poller_keep_spare(poller);
  return call_result(&call, count);
}

/*
 * Binds the local address. Without a port, connect chooses it, because it has the peer and can use
 * one port for several peers (IP_BIND_ADDRESS_NO_PORT, ip(7)).
 */
static int bind_local(int fd, const Address *local) {
  if (local->length == 0) return 0;
  if (local->u.any.sa_family != AF_UNIX && local->u.v4.sin_port == 0) {
    socket_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  }
  return bind(fd, &local->u.any, local->length) == 0 ? 0 : -errno;
}

/*
 * Returns a connected or connecting socket, or a negated errno. EINTR counts as connecting: the
 * attempt continues (connect(2)). A Unix socket connects or fails at once; its EAGAIN means that
 * the queue of the listener is full, and no edge reports when it is not.
 */
static int begin_connect(const Address *to, const Address *local, const int32_t buffers[2]) {
  sa_family_t family = to->u.any.sa_family;
  int fd = socket(family, SOCK_STREAM | SOCKET_FLAGS, 0);
  if (fd < 0) return -errno;
  if (family != AF_UNIX) socket_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  int error = set_buffer_sizes(fd, buffers[0], buffers[1]); /* before the first segment */
  if (error == 0) error = bind_local(fd, local);
  if (error == 0 && connect(fd, &to->u.any, to->length) != 0) error = -errno;
  if (error == 0 || error == -EINPROGRESS || error == -EINTR) return fd;
  close(fd);
  return error;
}

/*
 * The peer address of an attempt. It is kept because getpeername(2) fails after a failed attempt.
 */
static PeerAddress peer_of(const Address *to) {
  PeerAddress peer = {.family = to->u.any.sa_family};
  if (peer.family == AF_INET) peer.v4 = to->u.v4;
  if (peer.family == AF_INET6) peer.v6 = to->u.v6;
  return peer;
}

/*
 * connect(poller, family, host, port, localFamily, localHost, localPort, receiveBuffer,
 * sendBuffer): handle, or an errno
 */
napi_value coronet_connect(napi_env env, napi_callback_info info) {
  Call call;
  Address to, local;
  int32_t id = 0, buffers[2] = {0, 0};
  int error = 0, local_error = 0;
  uint32_t index = 0;
  if (!call_begin(env, info, 9, &call) || !call_int(&call, 0, &id)) return NULL;
  if (!address_read(&call, 1, &to, &error)) return NULL;
  if (!address_read(&call, 4, &local, &local_error)) return NULL;
  if (!call_int(&call, 7, &buffers[0]) || !call_int(&call, 8, &buffers[1])) return NULL;
  Poller *poller = poller_find(call.environment, id);
  if (poller == NULL) return call_result(&call, -EBADF);
  if (error == 0) error = local_error;
  if (error == 0 && to.length == 0) error = -EINVAL;
  if (error == 0) error = slot_reserve(call.environment, &index);
  if (error != 0) return call_result(&call, error);
  int fd = begin_connect(&to, &local, buffers);
  if (fd < 0) return call_result(&call, fd);
  /* Registered after connect: before that, epoll reports HUP for the unconnected socket. */
  int32_t handle = socket_adopt(poller, index, fd, CONNECTION_EVENTS);
  if (handle >= 0) slot_find(call.environment, handle)->peer = peer_of(&to);
  return call_result(&call, handle);
}

/*
 * connected(handle): 1 connected, 0 pending, or the error of the attempt. It calls poll(2) first,
 * because SO_ERROR is also 0 while the attempt is pending. SO_ERROR reports the error once, so the
 * caller must keep it.
 */
napi_value coronet_connected(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0;
  int error = 0;
  socklen_t length = sizeof error;
  if (!call_begin(env, info, 1, &call) || !call_int(&call, 0, &handle)) return NULL;
  Slot *slot = stream_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  struct pollfd ready = {.fd = slot->fd, .events = POLLOUT};
  if (poll(&ready, 1, 0) <= 0) return call_result(&call, 0);
  if (getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  return call_result(&call, error == 0 ? 1 : -error);
}

/* local(handle): { host, port, family } or { path }, or an errno */
napi_value coronet_local(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0;
  if (!call_begin(env, info, 1, &call) || !call_int(&call, 0, &handle)) return NULL;
  Slot *slot = slot_find(call.environment, handle);
  return slot == NULL ? call_result(&call, -EBADF) : local_name(&call, slot->fd);
}

/* peer(handle): the remote address; of a TCP connection also after a reset */
napi_value coronet_peer(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0;
  Address name = {.length = sizeof name.u};
  if (!call_begin(env, info, 1, &call) || !call_int(&call, 0, &handle)) return NULL;
  Slot *slot = slot_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  if (slot->peer.family == AF_INET || slot->peer.family == AF_INET6) {
    return address_write(env, &slot->peer.any, sizeof slot->peer);
  }
  if (getpeername(slot->fd, &name.u.any, &name.length) != 0) return call_result(&call, -errno);
  return address_write(env, &name.u.any, name.length);
}

/*
 * shutdown(handle, how): 0, or an errno. `how` is 0 receive, 1 send, 2 both (SHUT_RD, SHUT_WR,
 * SHUT_RDWR). ENOTCONN: the connection has already ended; the caller decides whether that is an
 * error.
 */
napi_value coronet_shutdown(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0, how = 0;
  if (!call_begin(env, info, 2, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_int(&call, 1, &how)) return NULL;
  Slot *slot = stream_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  return call_result(&call, shutdown(slot->fd, how) == 0 ? 0 : -errno);
}

/* close(handle, reset: 0 | 1): 0, or -EBADF if it is already closed */
napi_value coronet_close(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0, reset = 0;
  if (!call_begin(env, info, 2, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_int(&call, 1, &reset)) return NULL;
  Slot *slot = slot_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  slot_release(call.environment, slot, reset != 0);
  return call_result(&call, 0);
}
