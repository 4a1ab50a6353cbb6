/*
 * Datagrams (UDP): bind, receive in batches, send, options, groups.
 *
 * Invariants:
 *  1. A batch is one system call into memory that is an argument of the call. Each datagram has a
 *     part of `stride` bytes; a longer datagram is truncated, and its record reports that.
 *  2. Received datagrams are described by RECORD_INTS ints in an array. No object is created for
 *     them here.
 *  3. Errors are not sticky. The kernel keeps at most one for a connected socket (an ICMP error,
 *     see udp(7)) and reports it to the next call of any kind, before any datagram.
 *  4. Sockets are registered for EPOLLIN only: otherwise each datagram that the device has finished
 *     would be an edge "writable" (sock_def_write_space). watchSend enables EPOLLOUT while a task
 *     waits to send.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "coronet.h"

#define SOCKET_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)
#define MAX_DATAGRAMS 32



/* Arguments of recvmmsg in addition to the memory; about 4 KB on the stack. */
typedef struct {
  struct mmsghdr messages[MAX_DATAGRAMS];
  struct iovec pieces[MAX_DATAGRAMS];
  PeerAddress senders[MAX_DATAGRAMS];
} Batch;

/*
 * A buffer size of 0 leaves the default of the system. A size above net.core.rmem_max is reduced to
 * it without an error (socket(7)).
 */
static int prepare_datagram(int fd, sa_family_t family, int32_t flags, const int32_t sizes[2]) {
  int error = 0;
  if (family == AF_INET6) {
    error = socket_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, (flags & IPV6_ONLY) != 0);
  }
  if (error == 0 && (flags & REUSE_ADDRESS)) error = socket_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (error == 0 && (flags & REUSE_PORT)) error = socket_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (error == 0 && (flags & BROADCAST)) error = socket_option(fd, SOL_SOCKET, SO_BROADCAST, 1);
  if (error == 0 && sizes[0] > 0) error = socket_option(fd, SOL_SOCKET, SO_RCVBUF, sizes[0]);
  if (error == 0 && sizes[1] > 0) error = socket_option(fd, SOL_SOCKET, SO_SNDBUF, sizes[1]);
  return error;
}

/* Returns a bound socket, or a negated errno. After an error nothing stays open. */
static int open_datagram(const Address *at, int32_t flags, const int32_t sizes[2]) {
  sa_family_t family = at->u.any.sa_family;
  if (family == AF_UNIX) return -EAFNOSUPPORT;
  int fd = socket(family, SOCK_DGRAM | SOCKET_FLAGS, 0);
  if (fd < 0) return -errno;
  int error = prepare_datagram(fd, family, flags, sizes);
  if (error == 0 && bind(fd, &at->u.any, at->length) != 0) error = -errno;
  if (error == 0) return fd;
  close(fd);
  return error;
}

/* bindDatagram(poller, family, host, port, flags, recvBuffer, sendBuffer): handle, or an errno */
napi_value coronet_bind_datagram(napi_env env, napi_callback_info info) {
  Call call;
  Address at;
  int32_t id = 0, flags = 0, sizes[2] = {0, 0};
  int error = 0;
  uint32_t index = 0;
  if (!call_begin(env, info, 7, &call) || !call_int(&call, 0, &id)) return NULL;
  if (!address_read(&call, 1, &at, &error) || !call_int(&call, 4, &flags)) return NULL;
  if (!call_int(&call, 5, &sizes[0]) || !call_int(&call, 6, &sizes[1])) return NULL;
  Poller *poller = poller_find(call.environment, id);
  if (poller == NULL) return call_result(&call, -EBADF);
  if (error == 0 && at.length == 0) error = -EINVAL;
  if (error == 0) error = slot_reserve(call.environment, &index);
  if (error != 0) return call_result(&call, error);
  int fd = open_datagram(&at, flags, sizes);
  if (fd < 0) return call_result(&call, fd);
  int32_t handle = socket_adopt(poller, index, fd, EPOLLIN);
  if (handle >= 0) slot_find(call.environment, handle)->datagram = at.u.any.sa_family;
  return call_result(&call, handle);
}

/*
 * connectDatagram(handle, family, host, port): 0, or an errno. It completes at once: nothing is
 * sent.
 */
napi_value coronet_connect_datagram(napi_env env, napi_callback_info info) {
  Call call;
  Address to;
  int32_t handle = 0;
  int error = 0;
  if (!call_begin(env, info, 4, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!address_read(&call, 1, &to, &error)) return NULL;
  Slot *slot = datagram_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  if (error == 0 && to.length == 0) error = -EINVAL;
  if (error == 0 && connect(slot->fd, &to.u.any, to.length) != 0) error = -errno;
  return call_result(&call, error);
}

static void prepare_batch(Batch *batch, uint8_t *memory, size_t stride, unsigned count) {
  for (unsigned i = 0; i < count; i += 1) {
    batch->pieces[i] = (struct iovec){.iov_base = memory + i * stride, .iov_len = stride};
    batch->senders[i].family = AF_UNSPEC;
    batch->messages[i] = (struct mmsghdr){
        .msg_hdr = {.msg_name = &batch->senders[i],
                    .msg_namelen = sizeof batch->senders[i],
                    .msg_iov = &batch->pieces[i],
                    .msg_iovlen = 1}};
  }
}

static void write_record(int32_t *record, const struct mmsghdr *message,
                         const PeerAddress *sender) {
  memset(record, 0, RECORD_INTS * sizeof *record);
  record[RECORD_LENGTH] = (int32_t)message->msg_len;
  record[RECORD_TRUNCATED] = (message->msg_hdr.msg_flags & MSG_TRUNC) != 0;
  if (sender->family == AF_INET) {
    record[RECORD_FAMILY] = 4;
    record[RECORD_PORT] = ntohs(sender->v4.sin_port);
    memcpy(&record[RECORD_HOST], &sender->v4.sin_addr, sizeof sender->v4.sin_addr);
  } else if (sender->family == AF_INET6) {
    record[RECORD_FAMILY] = 6;
    record[RECORD_PORT] = ntohs(sender->v6.sin6_port);
    memcpy(&record[RECORD_HOST], &sender->v6.sin6_addr, sizeof sender->v6.sin6_addr);
    record[RECORD_SCOPE] = (int32_t)sender->v6.sin6_scope_id;
  }
}

/*
 * Returns the number of datagrams, or a negated errno. Fewer than requested means that the queue
 * was empty, or that an error occurred after the last datagram; recvmmsg leaves that error to the
 * next call (recvmmsg(2), BUGS). Such an error occurred during the call, because an earlier one
 * would have been reported first, so its event is still to come.
 */
static int receive_batch(int fd, Batch *batch, unsigned count) {
  int received = 0;
  do {
    received = recvmmsg(fd, batch->messages, count, MSG_DONTWAIT, NULL);
  } while (received < 0 && errno == EINTR);
  return received < 0 ? -errno : received;
}

/*
 * recvDatagrams(handle, memory: Uint8Array, stride, records: Int32Array, most): the number of
 * datagrams, or an errno. The bytes of number i begin at i * stride in the memory; its record is
 * number i.
 */
napi_value coronet_recv_datagrams(napi_env env, napi_callback_info info) {
  Call call;
  Batch batch;
  int32_t handle = 0, stride = 0, most = 0, *records = NULL;
  uint8_t *memory = NULL;
  size_t size = 0, length = 0;
  if (!call_begin(env, info, 5, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_bytes(&call, 1, &memory, &size) || !call_int(&call, 2, &stride)) return NULL;
  if (!call_int32_array(&call, 3, &records, &length) || !call_int(&call, 4, &most)) return NULL;
  if (most > MAX_DATAGRAMS) most = MAX_DATAGRAMS;
  if (stride <= 0 || most <= 0 || size / (size_t)stride < (size_t)most ||
      length / RECORD_INTS < (size_t)most) {
    call_wrong(&call, 4, "at least 1, and within both arrays");
    return NULL;
  }
  Slot *slot = datagram_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  prepare_batch(&batch, memory, (size_t)stride, (unsigned)most);
  int received = receive_batch(slot->fd, &batch, (unsigned)most);
  for (int i = 0; i < received; i += 1) {
    write_record(&records[i * RECORD_INTS], &batch.messages[i], &batch.senders[i]);
  }
  return call_result(&call, received);
}

/*
 * sender(records: Int32Array, number): { host, port, family }. For addresses that JavaScript does
 * not format itself: IPv6, with the name of an interface.
 */
napi_value coronet_sender(napi_env env, napi_callback_info info) {
  Call call;
  int32_t number = 0, *records = NULL;
  size_t length = 0;
  PeerAddress sender;
  if (!call_begin(env, info, 2, &call)) return NULL;
  if (!call_int32_array(&call, 0, &records, &length) || !call_int(&call, 1, &number)) return NULL;
  if (number < 0 || (size_t)number >= length / RECORD_INTS) {
    call_wrong(&call, 1, "the number of a record");
    return NULL;
  }
  const int32_t *record = &records[number * RECORD_INTS];
  memset(&sender, 0, sizeof sender);
  if (record[RECORD_FAMILY] == 6) {
    sender.v6.sin6_family = AF_INET6;
    sender.v6.sin6_port = htons((uint16_t)record[RECORD_PORT]);
    memcpy(&sender.v6.sin6_addr, &record[RECORD_HOST], sizeof sender.v6.sin6_addr);
    sender.v6.sin6_scope_id = (uint32_t)record[RECORD_SCOPE];
  } else {
    sender.v4.sin_family = AF_INET;
    sender.v4.sin_port = htons((uint16_t)record[RECORD_PORT]);
    memcpy(&sender.v4.sin_addr, &record[RECORD_HOST], sizeof sender.v4.sin_addr);
  }
  return address_write(env, &sender.any, sizeof sender);
}

/*
 * sendDatagram(handle, memory: Uint8Array, length, family, host, port): the length of the datagram,
 * or an errno. `length` is an argument because empty memory is an error (call_bytes) and an empty
 * datagram is not. Family 0: to the peer of a connected socket.
 */
napi_value coronet_send_datagram(napi_env env, napi_callback_info info) {
  Call call;
  Address to;
  int32_t handle = 0, length = 0;
  int error = 0;
  uint8_t *memory = NULL;
  size_t size = 0;
  ssize_t sent = 0;
  if (!call_begin(env, info, 6, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_bytes(&call, 1, &memory, &size) || !call_int(&call, 2, &length)) return NULL;
  if (length < 0 || (size_t)length > size) {
    call_wrong(&call, 2, "within the memory");
    return NULL;
  }
  if (!address_read(&call, 3, &to, &error)) return NULL;
  Slot *slot = datagram_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  if (error != 0) return call_result(&call, error);
  const struct sockaddr *name = to.length == 0 ? NULL : &to.u.any;
  do {
    sent = sendto(slot->fd, memory, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL, name, to.length);
  } while (sent < 0 && errno == EINTR);
  return call_result(&call, sent < 0 ? -errno : (int32_t)sent);
}

/*
 * watchSend(handle, on: 0 | 1): 0, or an errno. On: EPOLLOUT is reported as well, also if the
 * socket is writable now.
 */
napi_value coronet_watch_send(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0, on = 0;
  if (!call_begin(env, info, 2, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_int(&call, 1, &on)) return NULL;
  Slot *slot = datagram_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  return call_result(&call, poller_rearm(slot, EPOLLIN | (on != 0 ? (uint32_t)EPOLLOUT : 0)));
}

/*
 * Sets an option that IPv4 and IPv6 have separately. On a dual-stack socket both are set: the IPv4
 * option applies to datagrams for IPv4 peers.
 */
static int both_families(const Slot *slot, int v6_name, int v4_name, int value) {
  if (slot->datagram == AF_INET) return socket_option(slot->fd, IPPROTO_IP, v4_name, value);
  int error = socket_option(slot->fd, IPPROTO_IPV6, v6_name, value);
  if (error == 0) socket_option(slot->fd, IPPROTO_IP, v4_name, value);
  return error;
}

static int set_named_option(const Slot *slot, int32_t name, int32_t value) {
  switch (name) {
    case OPTION_BROADCAST:
      return socket_option(slot->fd, SOL_SOCKET, SO_BROADCAST, value != 0);
    case OPTION_TTL:
      return both_families(slot, IPV6_UNICAST_HOPS, IP_TTL, value);
    case OPTION_MULTICAST_TTL:
      return both_families(slot, IPV6_MULTICAST_HOPS, IP_MULTICAST_TTL, value);
    case OPTION_MULTICAST_LOOPBACK:
      return both_families(slot, IPV6_MULTICAST_LOOP, IP_MULTICAST_LOOP, value != 0);
    default:
      return -ENOPROTOOPT;
  }
}

/* datagramOption(handle, option, value): 0, or an errno */
napi_value coronet_datagram_option(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0, name = 0, value = 0;
  if (!call_begin(env, info, 3, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_int(&call, 1, &name) || !call_int(&call, 2, &value)) return NULL;
  Slot *slot = datagram_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  return call_result(&call, set_named_option(slot, name, value));
}

/*
 * The number of datagrams that the full queue dropped: SO_MEMINFO, since Linux 4.12, returns the
 * array of linux/sock_diag.h, which has this number at index 8 of 9.
 */
static int32_t dropped(int fd) {
#ifdef SO_MEMINFO
  uint32_t memory[9] = {0};
  socklen_t length = sizeof memory;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &length) != 0) return -errno;
  if (length < sizeof memory) return -ENOPROTOOPT;
  return memory[8] < INT32_MAX ? (int32_t)memory[8] : INT32_MAX;
#else
  (void)fd;
  return -ENOPROTOOPT;
#endif
}

static int32_t buffer_size(int fd, int name) {
  int size = 0;
  socklen_t length = sizeof size;
  return getsockopt(fd, SOL_SOCKET, name, &size, &length) == 0 ? size : -errno;
}

/* datagramStat(handle, stat): the value, or an errno */
napi_value coronet_datagram_stat(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0, stat = 0;
  if (!call_begin(env, info, 2, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_int(&call, 1, &stat)) return NULL;
  Slot *slot = datagram_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  if (stat == STAT_DROPPED) return call_result(&call, dropped(slot->fd));
  int name = stat == STAT_RECV_BUFFER ? SO_RCVBUF : SO_SNDBUF;
  return call_result(&call, buffer_size(slot->fd, name));
}

/*
 * An interface is named by one of its IPv4 addresses, or by a zone (::%eth0). Without one the
 * system chooses.
 */
static int change_v4(int fd, const Address *group, const Address *by, bool join) {
  struct ip_mreqn request = {.imr_multiaddr = group->u.v4.sin_addr};
  if (by->length != 0 && by->u.any.sa_family != AF_INET) return -EINVAL;
  if (by->length != 0) request.imr_address = by->u.v4.sin_addr;
  int name = join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP;
  return setsockopt(fd, IPPROTO_IP, name, &request, sizeof request) == 0 ? 0 : -errno;
}

static int change_v6(int fd, const Address *group, const Address *by, bool join) {
  struct ipv6_mreq request = {.ipv6mr_multiaddr = group->u.v6.sin6_addr};
  if (by->length != 0 && by->u.any.sa_family != AF_INET6) return -EINVAL;
  request.ipv6mr_interface =
      by->length != 0 ? by->u.v6.sin6_scope_id : group->u.v6.sin6_scope_id;
  int name = join ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP;
  return setsockopt(fd, IPPROTO_IPV6, name, &request, sizeof request) == 0 ? 0 : -errno;
}

static napi_value change_membership(napi_env env, napi_callback_info info, bool join) {
  Call call;
  Address group, by;
  int32_t handle = 0;
  int error = 0, by_error = 0;
  if (!call_begin(env, info, 7, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!address_read(&call, 1, &group, &error)) return NULL;
  if (!address_read(&call, 4, &by, &by_error)) return NULL;
  Slot *slot = datagram_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  if (error == 0) error = by_error;
  if (error != 0) return call_result(&call, error);
  switch (group.u.any.sa_family) {
    case AF_INET: return call_result(&call, change_v4(slot->fd, &group, &by, join));
    case AF_INET6: return call_result(&call, change_v6(slot->fd, &group, &by, join));
    default: return call_result(&call, -EINVAL);
  }
}

/*
 * joinGroup(handle, family, group, 0, interfaceFamily, interface, 0): 0, or an errno. A dual-stack
 * socket can join an IPv4 group.
 */
napi_value coronet_join_group(napi_env env, napi_callback_info info) {
  return change_membership(env, info, true);
}

/* leaveGroup: as joinGroup */
napi_value coronet_leave_group(napi_env env, napi_callback_info info) {
  return change_membership(env, info, false);
}

/* multicastInterface(handle, family, interface, 0): 0, or an errno */
napi_value coronet_multicast_interface(napi_env env, napi_callback_info info) {
  Call call;
  Address by;
  int32_t handle = 0;
  int error = 0;
  if (!call_begin(env, info, 4, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!address_read(&call, 1, &by, &error)) return NULL;
  Slot *slot = datagram_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  if (error != 0) return call_result(&call, error);
  if (by.u.any.sa_family == AF_INET) {
    struct ip_mreqn request = {.imr_address = by.u.v4.sin_addr};
    bool set = setsockopt(slot->fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request) == 0;
    return call_result(&call, set ? 0 : -errno);
  }
  if (by.u.any.sa_family != AF_INET6) return call_result(&call, -EINVAL);
  int index = (int)by.u.v6.sin6_scope_id;
  return call_result(&call, socket_option(slot->fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, index));
}
