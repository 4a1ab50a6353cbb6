/*
 * Reading arguments, returning integers, throwing typed errors.
 *
 * Every exported function starts with call_begin and reads its arguments with the functions below.
 * Each of them returns false after it has thrown. The exported function then returns NULL at once,
 * which leaves the exception to JavaScript. A missing argument arrives as undefined and fails the
 * same check.
 */
#include <limits.h>
#include <stdio.h>

#include "coronet.h"



/*
 * Reads `count` arguments. Further ones are ignored, missing ones become undefined. The environment
 * record is the data pointer of each function, which is cheaper than the instance data.
 */
bool call_begin(napi_env env, napi_callback_info info, size_t count, Call *call) {
  void *environment = NULL;
  call->env = env;
  if (napi_get_cb_info(env, info, &count, call->values, NULL, &environment) != napi_ok) {
    return false;
  }
  call->environment = environment;
  return true;
}

/*
 * Throws "Expected argument 2 to be an integer". Always returns false, so that callers can return
 * it.
 */
bool call_wrong(Call *call, size_t index, const char *wanted) {
  char message[96];
  snprintf(message, sizeof message, "Expected argument %zu to be %s", index + 1, wanted);
  napi_throw_type_error(call->env, "ERR_INVALID_ARG_TYPE", message);
  return false;
}

/*
 * Numbers are converted as by JavaScript's bit operators: 1.5 is 1, NaN is 0, 2^32 is 0. No
 * conversion function is called, so no code of the caller runs between reading arguments and using
 * them.
 */
bool call_int(Call *call, size_t index, int32_t *out) {
  if (napi_get_value_int32(call->env, call->values[index], out) == napi_ok) return true;
  return call_wrong(call, index, "an integer");
}

/*
 * The memory of a Uint8Array or Buffer. Empty memory is an error: a system call that moves no bytes
 * returns 0, which a receiver takes for end of file and a sender for "would block". A detached
 * buffer is empty and fails the same check.
 */
bool call_bytes(Call *call, size_t index, uint8_t **data, size_t *length) {
  void *start = NULL;
  size_t size = 0;
  if (napi_get_buffer_info(call->env, call->values[index], &start, &size) != napi_ok) {
    return call_wrong(call, index, "a Uint8Array");
  }
  if (size == 0 || start == NULL) return call_wrong(call, index, "not empty and not detached");
  *data = start;
  *length = size < MAX_TRANSFER ? size : MAX_TRANSFER;
  return true;
}

/* As call_bytes, or nothing: undefined and empty memory have the length 0. */
bool call_optional_bytes(Call *call, size_t index, uint8_t **data, size_t *length) {
  napi_valuetype type = napi_object;
  *length = 0;
  if (napi_typeof(call->env, call->values[index], &type) != napi_ok) return false;
  if (type == napi_undefined) return true;
  void *start = NULL;
  if (napi_get_buffer_info(call->env, call->values[index], &start, length) != napi_ok) {
    return call_wrong(call, index, "a Uint8Array or undefined");
  }
  *data = start;
  return true;
}

/* An array of events, handles or records. */
bool call_int32_array(Call *call, size_t index, int32_t **data, size_t *length) {
  napi_typedarray_type type = napi_uint8_array;
  void *start = NULL;
  napi_status status = napi_get_typedarray_info(call->env, call->values[index], &type, length,
                                                &start, NULL, NULL);
  if (status != napi_ok || type != napi_int32_array) {
    return call_wrong(call, index, "an Int32Array");
  }
  if (*length == 0 || start == NULL) return call_wrong(call, index, "not empty and not detached");
  *data = start;
  return true;
}

/*
 * A text that is too long is truncated to a length that no address has, so that it is rejected as
 * an address.
 */
bool call_text(Call *call, size_t index, Text *out) {
  napi_status status = napi_get_value_string_utf8(call->env, call->values[index], out->bytes,
                                                  sizeof out->bytes, &out->length);
  return status == napi_ok || call_wrong(call, index, "a string");
}

/* As call_text, of any length: at most size - 1 bytes are read. */
bool call_string(Call *call, size_t index, char *out, size_t size) {
  napi_status status = napi_get_value_string_utf8(call->env, call->values[index], out, size, NULL);
  return status == napi_ok || call_wrong(call, index, "a string");
}

bool call_typed(Call *call, size_t index, napi_valuetype type, const char *wanted) {
  napi_valuetype actual = napi_undefined;
  napi_status status = napi_typeof(call->env, call->values[index], &actual);
  if (status == napi_ok && actual == type) return true;
  return call_wrong(call, index, wanted);
}

napi_value call_result(Call *call, int32_t value) {
  napi_value result = NULL;
  napi_create_int32(call->env, value, &result);
  return result;
}
