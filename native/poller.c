/*
 * The inner epoll descriptor: all sockets of one network stand in it, and it stands in libuv's loop
 * as one poll handle.
 *
 * Why nested. libuv keeps one watcher per descriptor and calls back for each; with one watcher for
 * all of them a wake-up costs libuv one callback, however many sockets are ready, and JavaScript
 * one call with an array. An epoll descriptor is itself pollable (epoll(7)): it is readable while
 * its ready list is not empty.
 *
 * Why edge-triggered inside. A socket is registered once, for both directions, and never touched
 * again: no epoll_ctl per wait. The price is a duty, kept in src/node/epoll/transport.ts: readiness
 * that was reported must be remembered until a system call has met its end.
 *
 * Why level-triggered outside. A wake-up drains a bounded number of events and returns, so that
 * timers and other libraries in the process get their turn; what is left makes the inner descriptor
 * stay readable, and libuv calls again.
 *
 * Invariants:
 *  1. The handle is always unref'd: the scheduler's host decides how long the process lives.
 *  2. Events are reported into an array that JavaScript reads to its end before anything can drain
 *     again: on_wake and coronet_poll share it.
 *  3. Poller and uv handle are freed together, in the close callback, and never earlier: a callback
 *     of libuv always finds them. What JavaScript can see of them is gone at once (poller_end).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "coronet.h"

/* At most ROUNDS x ROUND events per wake-up, fewer when the array of JavaScript is shorter. */
#define ROUND 256
#define ROUNDS 8

/*
 * The few functions of libuv that this addon uses, as libuv 1.x declares them. Its header is not
 * included, so that Node's own headers (or the package node-api-headers) suffice to build; the size
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

/* Once per socket. What is ready already is reported as the first edge. */
int poller_register(const Slot *slot, uint32_t interest) {
  return control(slot, EPOLL_CTL_ADD, interest);
}

/* Sets the interest anew. What of it is ready now is reported once more, also where its edge has
 * been used up. */
int poller_rearm(const Slot *slot, uint32_t interest) {
  return control(slot, EPOLL_CTL_MOD, interest);
}

Poller *poller_find(Environment *environment, int32_t id) {
  Poller *poller = environment->pollers;
  while (poller != NULL && poller->id != id) poller = poller->next;
  return poller;
}

/* Where the events go. Looked up at each drain: a detached array has no memory to write to. */
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

/* Moves what is ready, within bounds, into the array; returns how many events. */
static int32_t drain(Poller *poller) {
  int32_t *out = NULL;
  size_t length = 0;
  if (!events_memory(poller, &out, &length)) {
    /* Unread events would wake libuv again and again: better deaf than spinning. */
    uv_poll_stop(poller->watch);
    return 0;
  }
  struct epoll_event batch[ROUND];
  size_t room = length / 2;
  size_t filled = 0;
  for (int round = 0; round < ROUNDS && filled < room; round += 1) {
    int want = room - filled < ROUND ? (int)(room - filled) : ROUND;
    int got = epoll_wait(poller->epoll_fd, batch, want, 0);
    for (int i = 0; i < got; i += 1) {
      out[2 * filled] = (int32_t)batch[i].data.u64;
      out[2 * filled + 1] = (int32_t)batch[i].events;
      filled += 1;
    }
    if (got < want) break; /* all there is, or an EINTR that the next wake-up makes good */
  }
  return (int32_t)filled;
}

/*
 * One call into JavaScript, as a callback of its own: microtasks and nextTick run after it. A
 * thrown error goes the way of every uncaught exception; swallowed it would surface in a later,
 * innocent call. Where JavaScript must not run any more (terminate, exit) there is no exception to
 * take, and nothing is left to do.
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
  Poller **place = &poller->environment->pollers;
  while (*place != poller) place = &(*place)->next;
  *place = poller->next;
}

/* Closes its sockets and everything that JavaScript can see of it. Also runs in the cleanup hook,
 * where JavaScript must not be called: deleting references is allowed there. */
void poller_end(Poller *poller) {
  napi_env env = poller->environment->env;
  unlink_poller(poller);
  slots_release_of(poller->environment, poller);
  napi_delete_reference(env, poller->events);
  napi_delete_reference(env, poller->wake);
  uv_close(poller->watch, on_closed); /* takes the descriptor out of libuv's epoll at once */
  close(poller->epoll_fd);
  if (poller->spare >= 0) close(poller->spare);
}

/*
 * Holds a descriptor in reserve, from the first listener on. Giving it up makes room for one
 * connection, which can so be accepted and turned away when there is no descriptor left.
 */
void poller_keep_spare(Poller *poller) {
  if (poller->spare < 0) poller->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* The descriptor, and its watch in the loop of this environment. On an error nothing stays open. */
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
  uv_poll_start(poller->watch, UV_READABLE, on_wake); /* cannot fail on a handle just made */
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

/* poll(id): drains without blocking and without a callback; how many events, or -EBADF */
napi_value coronet_poll(napi_env env, napi_callback_info info) {
  Call call;
  int32_t id = 0;
  if (!call_begin(env, info, 1, &call) || !call_int(&call, 0, &id)) return NULL;
  Poller *poller = poller_find(call.environment, id);
  return call_result(&call, poller == NULL ? -EBADF : drain(poller));
}
