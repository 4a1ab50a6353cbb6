/*
 * The inner epoll descriptor: it contains all sockets of one network, and libuv polls it with one
 * handle.
 *
 * Why nested. libuv keeps one watcher per descriptor and calls back for each. With one watcher for
 * all sockets, a wake-up costs libuv one callback, and JavaScript one call with an array. An epoll
 * descriptor is itself pollable (epoll(7)): it is readable while its ready list is not empty.
 *
 * Why edge-triggered inside. A socket is registered once, for both directions, so a wait costs no
 * epoll_ctl. In return, src/node/epoll/ must remember reported readiness until a system call has
 * found its end.
 *
 * Why level-triggered outside. A wake-up drains a limited number of events and returns, so that
 * timers and other libraries in the process get their turn. While events remain, the inner
 * descriptor stays readable and libuv calls again.
 *
 * Invariants:
 *  1. The handle is always unreferenced: the scheduler's host decides how long the process lives.
 *  2. JavaScript reads the array of events to its end before it is filled again: on_wake and
 *     coronet_poll share it.
 *  3. Poller and uv handle are freed together, in the close callback and never earlier, so that a
 *     callback of libuv always finds them. JavaScript no longer finds them after poller_end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "coronet.h"

/* At most ROUNDS x ROUND events per wake-up, fewer if the array of JavaScript is shorter. */
#define ROUND 256
#define ROUNDS 8

/*
 * The functions of libuv that this addon uses, as libuv 1.x declares them. Its header is not
 * included, so that Node's own headers (or the package node-api-headers) suffice to build. The size
 * of the handle comes from uv_handle_size at run time.
 */
typedef struct uv_loop_s uv_loop_t;
typedef struct uv_handle_s uv_handle_t;
typedef void (*uv_poll_cb)(uv_handle_t *handle, int status, int events);
typedef void (*uv_close_cb)(uv_handle_t *handle);
enum { UV_POLL = 8, UV_READABLE = 1 };
size_t uv_handle_size(int type);
int uv_poll_init(uv_loop_t *loop, uv_handle_t *handle, int fd);
int uv_poll_start(uv_handle_t *handle, int events, uv_poll_cb callback);
int uv_poll_stop(uv_handle_t *handle);
void uv_unref(uv_handle_t *handle);
void uv_close(uv_handle_t *handle, uv_close_cb callback);
void *uv_handle_get_data(const uv_handle_t *handle);
void uv_handle_set_data(uv_handle_t *handle, void *data);

static int control(const Slot *slot, int operation, uint32_t interest) {
  struct epoll_event event = {.events = interest | EPOLLET, .data.u64 = (uint32_t)slot->handle};
  return epoll_ctl(slot->poller->epoll_fd, operation, slot->fd, &event) == 0 ? 0 : -errno;
}

/* Called once per socket. Existing readiness is reported as the first edge. */
int poller_register(const Slot *slot, uint32_t interest) {
  return control(slot, EPOLL_CTL_ADD, interest);
}

/* Changes the interest. Existing readiness is reported again, also if its edge was consumed. */
int poller_rearm(const Slot *slot, uint32_t interest) {
  return control(slot, EPOLL_CTL_MOD, interest);
}

Poller *poller_find(Environment *environment, int32_t id) {
  Poller *poller = environment->pollers;
  while (poller != NULL && poller->id != id) poller = poller->next;
  return poller;
}

/* Finds the memory of the array at each drain: a detached array has no memory to write to. */
static bool events_memory(const Poller *poller, int32_t **out, size_t *length) {
  napi_env env = poller->environment->env;
  napi_value array = NULL;
  void *data = NULL;
  if (napi_get_reference_value(env, poller->events, &array) != napi_ok) return false;
  if (array == NULL) return false;
  napi_status status = napi_get_typedarray_info(env, array, NULL, length, &data, NULL, NULL);
  *out = data;
  return status == napi_ok && data != NULL && *length >= 2;
}

/* Moves a limited number of events into the array. Returns the number of events. */
static int32_t drain(Poller *poller) {
  int32_t *out = NULL;
  size_t length = 0;
  if (!events_memory(poller, &out, &length)) {
    /* Unread events would wake libuv in every turn, so polling stops. */
    uv_poll_stop(poller->watch);
    return 0;
  }
  struct epoll_event batch[ROUND];
  size_t capacity = length / 2;
  size_t filled = 0;
  for (int round = 0; round < ROUNDS && filled < capacity; round += 1) {
    int want = capacity - filled < ROUND ? (int)(capacity - filled) : ROUND;
    int got = epoll_wait(poller->epoll_fd, batch, want, 0);
    for (int i = 0; i < got; i += 1) {
      int32_t handle = (int32_t)batch[i].data.u64;
      Slot *slot = slot_find(poller->environment, handle);
      bool secure = slot != NULL && slot->tls != NULL;
      out[2 * filled] = handle;
      out[2 * filled + 1] = (int32_t)(secure ? tls_on_events(slot, batch[i].events)
                                             : batch[i].events);
      filled += 1;
    }
    if (got < want) break; /* no more events, or an EINTR: the next wake-up follows */
  }
  return (int32_t)filled;
}

/*
 * Calls JavaScript once, as a callback: microtasks and nextTick run after it. A thrown error
 * becomes an uncaught exception; if it stayed pending, an unrelated later call would throw it. If
 * JavaScript must not run any more (terminate, exit), no exception can be taken, and nothing is
 * left to do.
 */
static void call_wake(Poller *poller, int32_t count) {
  napi_env env = poller->environment->env;
  napi_value global = NULL, wake = NULL, argument = NULL, error = NULL;
  if (napi_get_reference_value(env, poller->wake, &wake) != napi_ok || wake == NULL) return;
  if (napi_get_global(env, &global) != napi_ok) return;
  if (napi_create_int32(env, count, &argument) != napi_ok) return;
  napi_status status = napi_make_callback(env, NULL, global, wake, 1, &argument, NULL);
  if (status != napi_pending_exception) return;
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

static void on_wake(uv_handle_t *watch, int status, int events) {
  (void)status;
  (void)events;
  Poller *poller = uv_handle_get_data(watch);
  napi_env env = poller->environment->env;
  napi_handle_scope scope = NULL;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  int32_t count = drain(poller);
  if (count > 0) call_wake(poller, count);
  napi_close_handle_scope(env, scope);
}

static void on_closed(uv_handle_t *watch) {
  Poller *poller = uv_handle_get_data(watch);
  Environment *environment = poller->environment;
  free(watch);
  free(poller);
  environment->watches -= 1;
  environment_release(environment);
}

static void unlink_poller(Poller *poller) {
  Poller **link = &poller->environment->pollers;
  while (*link != poller) link = &(*link)->next;
  *link = poller->next;
}

/*
 * Closes the sockets and releases everything that JavaScript can reach. Also called from the
 * cleanup hook, where JavaScript must not be called; deleting references is allowed there.
 */
void poller_end(Poller *poller) {
  napi_env env = poller->environment->env;
  unlink_poller(poller);
  slots_release_of(poller->environment, poller);
  napi_delete_reference(env, poller->events);
  napi_delete_reference(env, poller->wake);
  uv_close(poller->watch, on_closed); /* removes the descriptor from libuv's epoll at once */
  close(poller->epoll_fd);
  if (poller->spare >= 0) close(poller->spare);
}

/*
 * Keeps a descriptor in reserve, from the first listener on. When no descriptor is left, closing it
 * allows shed to accept one connection and reset it.
 */
void poller_keep_spare(Poller *poller) {
  if (poller->spare < 0) poller->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/*
 * Opens the descriptor and polls it in the loop of this environment. After an error nothing stays
 * open.
 */
static int start_watch(Poller *poller) {
  uv_loop_t *loop = NULL;
  int error = -ENOSYS;
  if (napi_get_uv_event_loop(poller->environment->env, &loop) != napi_ok) return error;
  poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (poller->epoll_fd < 0) return -errno;
  poller->watch = calloc(1, uv_handle_size(UV_POLL));
  error = poller->watch == NULL ? -ENOMEM : uv_poll_init(loop, poller->watch, poller->epoll_fd);
  if (error != 0) {
    free(poller->watch);
    close(poller->epoll_fd);
    return error;
  }
  uv_handle_set_data(poller->watch, poller);
  uv_unref(poller->watch);
  uv_poll_start(poller->watch, UV_READABLE, on_wake); /* cannot fail on a new handle */
  return 0;
}

/* createPoller(events: Int32Array, wake: (count) => void): id, or an errno */
napi_value coronet_create_poller(napi_env env, napi_callback_info info) {
  Call call;
  int32_t *events = NULL;
  size_t length = 0;
  if (!call_begin(env, info, 2, &call)) return NULL;
  if (!call_int32_array(&call, 0, &events, &length)) return NULL;
  if (!call_typed(&call, 1, napi_function, "a function")) return NULL;
  Poller *poller = calloc(1, sizeof *poller);
  if (poller == NULL) return call_result(&call, -ENOMEM);
  Environment *environment = call.environment;
  poller->environment = environment;
  poller->spare = -1;
  int error = start_watch(poller);
  if (error != 0) {
    free(poller);
    return call_result(&call, error);
  }
  napi_create_reference(env, call.values[0], 1, &poller->events);
  napi_create_reference(env, call.values[1], 1, &poller->wake);
  poller->id = environment->next_poller++;
  poller->next = environment->pollers;
  environment->pollers = poller;
  environment->watches += 1;
  return call_result(&call, poller->id);
}

/* destroyPoller(id): 0, or -EBADF */
napi_value coronet_destroy_poller(napi_env env, napi_callback_info info) {
  Call call;
  int32_t id = 0;
  if (!call_begin(env, info, 1, &call) || !call_int(&call, 0, &id)) return NULL;
  Poller *poller = poller_find(call.environment, id);
  if (poller == NULL) return call_result(&call, -EBADF);
  poller_end(poller);
  return call_result(&call, 0);
}

/* poll(id): drains without blocking and without a callback: the number of events, or -EBADF */
napi_value coronet_poll(napi_env env, napi_callback_info info) {
  Call call;
  int32_t id = 0;
  if (!call_begin(env, info, 1, &call) || !call_int(&call, 0, &id)) return NULL;
  Poller *poller = poller_find(call.environment, id);
  return call_result(&call, poller == NULL ? -EBADF : drain(poller));
}
