/*
 * One instance of the addon per environment (the main thread or a worker). It is created when the
 * environment loads the addon, and destroyed by the cleanup hook of the environment.
 *
 * The end of an environment, in order:
 *   1. The cleanup hook runs. JavaScript is no longer called.
 *   2. Every poller is ended: its sockets are closed, its references deleted, its uv handle is
 *      being closed. (A uv handle that is open when the loop of a worker is closed aborts the
 *      process.)
 *   3. libuv calls the close callbacks of the handles in later turns of the loop.
 *   4. The last callback frees the record and removes the hook. Node waits for that.
 *
 * process.exit() on the main thread skips all of this; the system closes the descriptors.
 */
#include <stdlib.h>
#include <unistd.h>

#include "coronet.h"

/* The functions that JavaScript sees. src/node/addon.ts has their types. */
typedef struct {
  const char *name;
  napi_callback function;
} Export;

/* JavaScript reads these numbers from the export `constants`, so it has no second copy. */
typedef struct {
  const char *name;
  int32_t value;
} Constant;

#define CONSTANT(name) {#name, name}

static const Constant CONSTANTS[] = {
    CONSTANT(INDEX_BITS), CONSTANT(FAMILY_UNIX), CONSTANT(MAX_PIECES), CONSTANT(MAX_TRANSFER),
    CONSTANT(REUSE_PORT), CONSTANT(IPV6_ONLY), CONSTANT(REUSE_ADDRESS), CONSTANT(BROADCAST),
    CONSTANT(OPTION_BROADCAST), CONSTANT(OPTION_TTL), CONSTANT(OPTION_MULTICAST_TTL),
    CONSTANT(OPTION_MULTICAST_LOOPBACK), CONSTANT(STAT_RECV_BUFFER), CONSTANT(STAT_SEND_BUFFER),
    CONSTANT(STAT_DROPPED), CONSTANT(ACCEPT_HANDLE), CONSTANT(ACCEPT_FAMILY),
    CONSTANT(ACCEPT_PORT), CONSTANT(ACCEPT_HOST), CONSTANT(ACCEPT_INTS),
    CONSTANT(RECORD_LENGTH), CONSTANT(RECORD_TRUNCATED),
    CONSTANT(RECORD_FAMILY), CONSTANT(RECORD_PORT), CONSTANT(RECORD_HOST), CONSTANT(RECORD_INTS),
    CONSTANT(RECV_MORE), CONSTANT(TLS_SERVER), CONSTANT(REQUEST_CERTIFICATE),
    CONSTANT(REQUIRE_CERTIFICATE), CONSTANT(CHOOSE_CERTIFICATE), CONSTANT(TLS_FAILED),
    CONSTANT(TLS_TRUNCATED), CONSTANT(TLS_CHOOSE), CONSTANT(FACT_VERSION), CONSTANT(FACT_CIPHER),
    CONSTANT(FACT_VERIFIED), CONSTANT(FACT_CERTIFICATE), CONSTANT(FACT_RESUMED),
    CONSTANT(FACT_ALPN), CONSTANT(FACT_SERVERNAME), CONSTANT(FACT_INTS), CONSTANT(TEXT_ERROR),
    CONSTANT(TEXT_VERSION), CONSTANT(TEXT_CIPHER), CONSTANT(TEXT_ALPN), CONSTANT(TEXT_SERVERNAME),
    CONSTANT(TEXT_VERIFIED), CONSTANT(BYTES_SESSION), CONSTANT(BYTES_CERTIFICATE),
};

#define EXPORT(name, function) {#name, function},
static const Export EXPORTS[] = {CORONET_FUNCTIONS(EXPORT)};

/*
 * Frees the record when the environment is ending and libuv has closed every handle. The hook and
 * the close callback of each handle call this function, because each may be the last.
 */
void environment_release(Environment *environment) {
  if (!environment->ending || environment->watches > 0) return;
  napi_async_cleanup_hook_handle cleanup = environment->cleanup;
  free(environment->slots);
  free(environment);
  napi_remove_async_cleanup_hook(cleanup);
}

/*
 * Deleting references is allowed here. Functions of Node-API that could run JavaScript must not be
 * called. Every socket belongs to a poller, so ending the pollers closes all sockets.
 */
static void on_environment_end(napi_async_cleanup_hook_handle cleanup, void *data) {
  Environment *environment = data;
  environment->cleanup = cleanup;
  environment->ending = true;
  if (environment->notifier >= 0) close(environment->notifier);
  environment->notifier = -1;
  while (environment->pollers != NULL) poller_end(environment->pollers);
  openssl_unload(environment); /* after the connections */
  environment_release(environment);
}

static napi_status set_int(napi_env env, napi_value object, const char *name, int32_t number) {
  napi_value value = NULL;
  napi_status status = napi_create_int32(env, number, &value);
  return status == napi_ok ? napi_set_named_property(env, object, name, value) : status;
}

/*
 * stats(): the open sockets and uv handles of this environment. The tests read it after every case,
 * so that a leak is found where it is made and not hours later as EMFILE.
 */
static napi_value coronet_stats(napi_env env, napi_callback_info info) {
  Call call;
  napi_value result = NULL;
  if (!call_begin(env, info, 0, &call)) return NULL;
  if (napi_create_object(env, &result) != napi_ok) return NULL;
  set_int(env, result, "sockets", (int32_t)call.environment->sockets);
  set_int(env, result, "handles", (int32_t)call.environment->watches);
  return result;
}

/* SOCKET_OPTIONS: the names of the options, in the order of their codes. */
static napi_status add_option_names(napi_env env, napi_value constants) {
  napi_value names = NULL, value = NULL;
  napi_status status = napi_create_array(env, &names);
  for (uint32_t i = 0; socket_option_name(i) != NULL && status == napi_ok; i += 1) {
    status = napi_create_string_utf8(env, socket_option_name(i), NAPI_AUTO_LENGTH, &value);
    if (status == napi_ok) status = napi_set_element(env, names, i, value);
  }
  if (status != napi_ok) return status;
  return napi_set_named_property(env, constants, "SOCKET_OPTIONS", names);
}

static napi_status add_constants(napi_env env, napi_value exports) {
  const size_t count = sizeof CONSTANTS / sizeof CONSTANTS[0];
  napi_value constants = NULL;
  napi_status status = napi_create_object(env, &constants);
  for (size_t i = 0; i < count && status == napi_ok; i += 1) {
    status = set_int(env, constants, CONSTANTS[i].name, CONSTANTS[i].value);
  }
  if (status == napi_ok) status = add_option_names(env, constants);
  if (status != napi_ok) return status;
  return napi_set_named_property(env, exports, "constants", constants);
}

static napi_status add(napi_env env, napi_value exports, Export entry, void *environment) {
  napi_value function = NULL;
  napi_status status = napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function,
                                            environment, &function);
  if (status != napi_ok) return status;
  return napi_set_named_property(env, exports, entry.name, function);
}

static napi_status add_all(napi_env env, napi_value exports, Environment *environment) {
  const size_t count = sizeof EXPORTS / sizeof EXPORTS[0];
  napi_status status = set_int(env, exports, "abi", CORONET_ABI);
  if (status == napi_ok) status = add_constants(env, exports);
  for (size_t i = 0; i < count && status == napi_ok; i += 1) {
    status = add(env, exports, EXPORTS[i], environment);
  }
  if (status != napi_ok) return status;
  return add(env, exports, (Export){"stats", coronet_stats}, environment);
}

/*
 * glibc returns free memory at the end of its heap to the system above 128 KB, and the next buffers
 * pay a page fault for each 4 KB. V8 frees received buffers by the megabyte, so a server with
 * messages of 16 KB would fault in most of its memory again and again: 20 % of its CPU time. glibc
 * keeps twice the size of the largest mapped block that was freed (mallopt(3), M_MMAP_THRESHOLD,
 * "dynamic"), and 32 MB is its limit. The block is never touched. A program that sets these limits
 * itself keeps them, which mallopt here would override; other allocators are not affected.
 */
static void keep_freed_memory(void) {
  void *volatile block = malloc(((size_t)32 << 20) - 65536);
  free(block);
}

/* The first socket allocates the table of slots. */
static Environment *environment_make(napi_env env) {
  Environment *environment = calloc(1, sizeof *environment);
  if (environment == NULL) return NULL;
  keep_freed_memory();
  environment->env = env;
  environment->first_free = NO_SLOT;
  environment->last_free = NO_SLOT;
  environment->notifier = -1;
  return environment;
}

/*
 * Each function has the record as its data pointer, which saves a look-up per call. The record is
 * also the instance data, so that a debugger finds it. It has no finalizer: the cleanup hook frees
 * it.
 */
NAPI_MODULE_INIT() {
  Environment *environment = environment_make(env);
  napi_status status = environment == NULL ? napi_generic_failure : napi_ok;
  if (status == napi_ok) status = napi_set_instance_data(env, environment, NULL, NULL);
  if (status == napi_ok) status = add_all(env, exports, environment);
  if (status == napi_ok) {
    status = napi_add_async_cleanup_hook(env, on_environment_end, environment,
                                         &environment->cleanup);
  }
  if (status == napi_ok) return exports;
  free(environment);
  napi_throw_error(env, "ERR_ADDON_INIT", "The addon could not be set up");
  return NULL;
}
