/*
 * Receive and send: one system call each, directly between the socket and memory of JavaScript.
 *
 * Invariants:
 *  1. Memory is an argument of the call that uses it. A pointer to a buffer that was collected,
 *     detached or transferred would corrupt the heap, or return EFAULT after the edge that
 *     announced the bytes.
 *  2. EINTR never reaches JavaScript. No send raises SIGPIPE.
 *  3. Fewer bytes than requested means that the queue is empty. JavaScript relies on this to save
 *     the recv that would return EAGAIN. receive_local restores it for Unix sockets, where the
 *     kernel breaks it, and the event PRI warns of TCP urgent data, which also breaks it.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "coronet.h"


#define DISCARD_ROUNDS 16



/*
 * Calls the kernel directly. In a process with threads the C library makes recv and send
 * cancellation points, which costs two atomic operations per call. Threads are not cancelled here.
 */
static ssize_t recv_now(int fd, uint8_t *data, size_t length) {
#ifdef SYS_recvfrom
  return syscall(SYS_recvfrom, fd, data, length, 0, NULL, NULL);
#else
  return recv(fd, data, length, 0);
#endif
}

static ssize_t send_now(int fd, const uint8_t *data, size_t length) {
#ifdef SYS_sendto
  return syscall(SYS_sendto, fd, data, length, MSG_NOSIGNAL, NULL, 0);
#else
  return send(fd, data, length, MSG_NOSIGNAL);
#endif
}

static int32_t receive_stream(int fd, uint8_t *data, size_t length) {
  ssize_t received = 0;
  do {
    received = recv_now(fd, data, length);
  } while (received < 0 && errno == EINTR);
  return received < 0 ? -errno : (int32_t)received;
}

static bool has_bytes(int fd) {
  int waiting = 0;
  return ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

/*
 * On a Unix socket a read stops after bytes that carried descriptors, even if more bytes follow.
 * MSG_CTRUNC reports that this happened (the kernel has closed the descriptors, because there is no
 * buffer for them). This function then continues to read, so that a short read still means "empty".
 * It continues only if bytes follow: an error is reported once, and reading it here would lose it.
 */
static int32_t receive_local(int fd, uint8_t *data, size_t length) {
  size_t filled = 0;
  while (filled < length) {
    struct iovec rest = {.iov_base = data + filled, .iov_len = length - filled};
    struct msghdr message = {.msg_iov = &rest, .msg_iovlen = 1};
    ssize_t received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0 && filled == 0) return -errno;
    if (received <= 0) break;
    filled += (size_t)received;
    if ((message.msg_flags & MSG_CTRUNC) == 0 || !has_bytes(fd)) break;
  }
  return (int32_t)filled;
}

/* As the system returns it: the number of bytes, 0 at end of file, or a negated errno. */
int32_t socket_receive(const Slot *slot, uint8_t *data, size_t length) {
  if (slot->peer.family == AF_UNIX) return receive_local(slot->fd, data, length);
  return receive_stream(slot->fd, data, length);
}

static int32_t receive(const Slot *slot, uint8_t *data, size_t length) {
  return slot->tls == NULL ? socket_receive(slot, data, length) : tls_receive(slot, data, length);
}

/*
 * recv(handle, memory: Uint8Array, offset, length): the number of bytes received into that part of
 * the memory, 0 at end of file, or an errno. On a TLS connection also TLS_FAILED or TLS_TRUNCATED,
 * and RECV_MORE may be added to the number.
 *
 * The memory is an argument of every call. A reference to the current slab would save 8 ns and add
 * a pointer with a lifetime of its own.
 */
napi_value coronet_recv(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0, offset = 0, length = 0;
  uint8_t *data = NULL;
  size_t size = 0;
  if (!call_begin(env, info, 4, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_bytes(&call, 1, &data, &size)) return NULL;
  if (!call_int(&call, 2, &offset) || !call_int(&call, 3, &length)) return NULL;
  if (offset < 0 || length <= 0 || (size_t)offset + (size_t)length > size) {
    call_wrong(&call, 3, "at least 1 and to end within the memory");
    return NULL;
  }
  Slot *slot = stream_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  return call_result(&call, receive(slot, data + offset, (size_t)length));
}

/*
 * recvEach(batch: Int32Array, from, to, memory: Uint8Array, offset, least): receives once from each
 * socket with the handle batch[2 * i], from <= i < to, and stores in batch[2 * i + 1] what recv
 * would have returned. The bytes lie in the memory one after the other, each at a multiple of 8,
 * and each receive may use all the remaining memory. Returns the number of receives before fewer
 * than `least` bytes remained.
 */
napi_value coronet_recv_each(napi_env env, napi_callback_info info) {
  Call call;
  int32_t from = 0, to = 0, offset = 0, least = 0;
  int32_t *batch = NULL;
  uint8_t *data = NULL;
  size_t length = 0, size = 0;
  if (!call_begin(env, info, 6, &call) || !call_int32_array(&call, 0, &batch, &length)) return NULL;
  if (!call_int(&call, 1, &from) || !call_int(&call, 2, &to)) return NULL;
  if (!call_bytes(&call, 3, &data, &size) || !call_int(&call, 4, &offset)) return NULL;
  if (!call_int(&call, 5, &least)) return NULL;
  if (least <= 0) {
    call_wrong(&call, 5, "at least 1");
    return NULL;
  }
  if (from < 0 || to < from || (size_t)to > length / 2 || offset < 0) {
    call_wrong(&call, 2, "within the batch, and the offset not to be negative");
    return NULL;
  }
  size_t at = (size_t)offset;
  int32_t next = from;
  for (; next < to && at + (size_t)least <= size; next += 1) {
    const Slot *slot = stream_find(call.environment, batch[2 * next]);
    int32_t received = slot == NULL ? -EBADF : receive(slot, data + at, size - at);
    batch[2 * next + 1] = received;
    size_t count = received < 0 ? 0 : (size_t)received & ~(size_t)RECV_MORE;
    at = (at + count + 7) & ~(size_t)7;
  }
  return call_result(&call, next - from);
}

/*
 * Discards received bytes. On TCP the bytes are not even copied (MSG_TRUNC, tcp(7)), so no buffer
 * is needed. A fast peer can fill the queue while it is being emptied, so the number of rounds is
 * limited. True: there may be more.
 */
bool socket_discard(const Slot *slot) {
  uint8_t scratch[16384];
  bool local = slot->peer.family == AF_UNIX;
  ssize_t received = 1;
  for (int round = 0; round < DISCARD_ROUNDS && received > 0; round += 1) {
    received = local ? recv(slot->fd, scratch, sizeof scratch, 0)
                     : recv(slot->fd, NULL, (size_t)1 << 30, MSG_TRUNC);
  }
  return received > 0;
}

/*
 * discard(handle): discards received bytes: 0, or an errno. After shutdown(SHUT_RD) Linux keeps
 * queueing the bytes of a TCP peer until the window is full and the peer stalls. The edge of bytes
 * that remain is consumed; modifying the registration makes epoll check again.
 */
napi_value coronet_discard(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0;
  if (!call_begin(env, info, 1, &call) || !call_int(&call, 0, &handle)) return NULL;
  Slot *slot = stream_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  bool more = socket_discard(slot);
  return call_result(&call, more ? poller_rearm(slot, CONNECTION_EVENTS) : 0);
}

static int32_t sent_or_error(ssize_t sent) {
  return sent < 0 ? -errno : (int32_t)sent;
}

/* The number of bytes sent, or a negated errno. */
int32_t socket_send(int fd, const uint8_t *data, size_t length) {
  ssize_t sent = 0;
  do {
    sent = send_now(fd, data, length);
  } while (sent < 0 && errno == EINTR);
  return sent_or_error(sent);
}

/* Memory that was detached after its send was queued has no bytes. */
static int32_t send_on(Slot *slot, struct iovec *piece) {
  if (piece->iov_len == 0) return 0;
  if (slot->tls == NULL) return socket_send(slot->fd, piece->iov_base, piece->iov_len);
  return tls_send(slot, piece, 1);
}

/* send(handle, data: Uint8Array): the number of bytes sent, or an errno */
napi_value coronet_send(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0;
  uint8_t *data = NULL;
  size_t length = 0;
  if (!call_begin(env, info, 2, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!call_bytes(&call, 1, &data, &length)) return NULL;
  Slot *slot = stream_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  struct iovec piece = {.iov_base = data, .iov_len = length};
  return call_result(&call, send_on(slot, &piece));
}

/* Reads the first `count` elements of argument 2. False: an exception is pending. */
static bool pieces_of(Call *call, int32_t count, struct iovec *pieces) {
  for (int32_t i = 0; i < count; i += 1) {
    napi_value element = NULL;
    struct iovec *next = &pieces[i];
    if (napi_get_element(call->env, call->values[2], (uint32_t)i, &element) != napi_ok ||
        napi_get_buffer_info(call->env, element, &next->iov_base, &next->iov_len) != napi_ok) {
      return call_wrong(call, 2, "an array of Uint8Arrays");
    }
  }
  return true;
}

/*
 * sendEach(batch: Int32Array, count, data: Uint8Array[]): sends data[i] to the socket with the
 * handle batch[2 * i], i < count, and stores in batch[2 * i + 1] what send would have returned. The
 * array must be a plain one: reading its elements runs no JavaScript.
 */
napi_value coronet_send_each(napi_env env, napi_callback_info info) {
  Call call;
  int32_t count = 0;
  int32_t *batch = NULL;
  size_t length = 0;
  struct iovec pieces[MAX_PIECES];
  if (!call_begin(env, info, 3, &call) || !call_int32_array(&call, 0, &batch, &length)) return NULL;
  if (!call_int(&call, 1, &count)) return NULL;
  if (count < 0 || count > MAX_PIECES || (size_t)count > length / 2) {
    call_wrong(&call, 1, "at most MAX_PIECES and within the batch");
    return NULL;
  }
  if (!pieces_of(&call, count, pieces)) return NULL;
  for (int32_t i = 0; i < count; i += 1) {
    Slot *slot = stream_find(call.environment, batch[2 * i]);
    batch[2 * i + 1] = slot == NULL ? -EBADF : send_on(slot, &pieces[i]);
  }
  return call_result(&call, 0);
}

/*
 * Collects up to MAX_PIECES pieces and skips empty ones. False: an exception is pending.
 * Reading an element can run JavaScript (a getter, a proxy), which can detach the memory of another
 * piece. So all elements are read before the first pointer is taken.
 */
static bool gather(Call *call, struct iovec *pieces, size_t *count) {
  napi_value elements[MAX_PIECES];
  uint32_t length = 0;
  *count = 0;
  if (napi_get_array_length(call->env, call->values[1], &length) != napi_ok) {
    return call_wrong(call, 1, "an array of Uint8Arrays");
  }
  if (length > MAX_PIECES) length = MAX_PIECES;
  for (uint32_t i = 0; i < length; i += 1) {
    if (napi_get_element(call->env, call->values[1], i, &elements[i]) != napi_ok) return false;
  }
  for (uint32_t i = 0; i < length; i += 1) {
    struct iovec *next = &pieces[*count];
    if (napi_get_buffer_info(call->env, elements[i], &next->iov_base, &next->iov_len) != napi_ok) {
      return call_wrong(call, 1, "an array of Uint8Arrays");
    }
    if (next->iov_len > 0) *count += 1;
  }
  return true;
}

/*
 * sendv(handle, pieces: Uint8Array[]): the number of bytes sent of their concatenation, or an errno
 */
napi_value coronet_sendv(napi_env env, napi_callback_info info) {
  Call call;
  int32_t handle = 0;
  struct iovec pieces[MAX_PIECES];
  struct msghdr message = {.msg_iov = pieces};
  size_t count = 0;
  ssize_t sent = 0;
  if (!call_begin(env, info, 2, &call) || !call_int(&call, 0, &handle)) return NULL;
  if (!gather(&call, pieces, &count)) return NULL;
  Slot *slot = stream_find(call.environment, handle);
  if (slot == NULL) return call_result(&call, -EBADF);
  if (slot->tls != NULL) return call_result(&call, tls_send(slot, pieces, count));
  message.msg_iovlen = count;
  do {
    sent = count == 0 ? 0 : sendmsg(slot->fd, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return call_result(&call, sent_or_error(sent));
}
