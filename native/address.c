/*
 * Conversion between endpoints and sockaddr. As an argument, an endpoint is three values: family
 * (4, 6, FAMILY_UNIX, or 0 for "none"), host or path, port. As a result it is one object: { host,
 * port, family } or { path }. Hosts are numeric; JavaScript resolves names.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "coronet.h"


#define HOST_SIZE (INET6_ADDRSTRLEN + 1 + IF_NAMESIZE)

/*
 * A path, or an abstract name: that one begins with a NUL byte, has no terminator, and its length
 * counts (unix(7)). A path that is too long is an error; it is never truncated.
 */
static int read_path(const char *path, size_t length, Address *out) {
  struct sockaddr_un *local = &out->u.path;
  if (length == 0) return -EINVAL;
  bool abstract = path[0] == '\0';
  if (length + (abstract ? 0 : 1) > sizeof local->sun_path) return -ENAMETOOLONG;
  if (!abstract && memchr(path, '\0', length) != NULL) return -EINVAL;
  local->sun_family = AF_UNIX;
  memcpy(local->sun_path, path, length);
  out->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
  return 0;
}

/* The host must have four decimal parts: inet_pton does not accept shorthands such as 127.1. */
static int read_v4(const char *host, uint16_t port, Address *out) {
  out->u.v4.sin_family = AF_INET;
  out->u.v4.sin_port = htons(port);
  out->length = sizeof out->u.v4;
  return inet_pton(AF_INET, host, &out->u.v4.sin_addr) == 1 ? 0 : -EINVAL;
}

/* A link-local address names its interface after a percent sign: fe80::1%eth0 (RFC 4007). */
static int read_v6(char *host, uint16_t port, Address *out) {
  char *zone = strchr(host, '%');
  if (zone != NULL) {
    *zone++ = '\0';
    out->u.v6.sin6_scope_id = if_nametoindex(zone);
    if (out->u.v6.sin6_scope_id == 0) return -EINVAL;
  }
  out->u.v6.sin6_family = AF_INET6;
  out->u.v6.sin6_port = htons(port);
  out->length = sizeof out->u.v6;
  return inet_pton(AF_INET6, host, &out->u.v6.sin6_addr) == 1 ? 0 : -EINVAL;
}

/*
 * Reads arguments `first` to `first + 2`. False: an exception is pending. True: *error is 0 or a
 * negated errno; out->length is 0 for "none".
 */
bool address_read(Call *call, size_t first, Address *out, int *error) {
  Text text = {.length = 0};
  int32_t family = 0, port = 0;
  memset(out, 0, sizeof *out);
  *error = 0;
  if (!call_int(call, first, &family)) return false;
  if (family == 0) return true;
  if (!call_text(call, first + 1, &text)) return false;
  if (!call_int(call, first + 2, &port)) return false;
  if (family == FAMILY_UNIX) {
    *error = read_path(text.bytes, text.length, out);
  } else if (port < 0 || port > UINT16_MAX || strlen(text.bytes) != text.length) {
    *error = -EINVAL;
  } else if (family == 4) {
    *error = read_v4(text.bytes, (uint16_t)port, out);
  } else {
    *error = family == 6 ? read_v6(text.bytes, (uint16_t)port, out) : -EAFNOSUPPORT;
  }
  return true;
}

/*
 * Builds { host, port, family }. Failures of these calls are not checked: they happen only if
 * memory is exhausted or the environment is ending, and the return to JavaScript then reports that.
 */
static napi_value write_host(napi_env env, const char *host, uint16_t port, int32_t family) {
  napi_value result = NULL, value = NULL;
  napi_create_object(env, &result);
  napi_create_string_utf8(env, host, NAPI_AUTO_LENGTH, &value);
  napi_set_named_property(env, result, "host", value);
  napi_create_int32(env, port, &value);
  napi_set_named_property(env, result, "port", value);
  napi_create_int32(env, family, &value);
  napi_set_named_property(env, result, "family", value);
  return result;
}

/*
 * The zone is included only for link-local addresses, as Node does. The interface may have been
 * removed meanwhile; then the address has no zone.
 */
static napi_value write_v6(napi_env env, const struct sockaddr_in6 *address) {
  char host[HOST_SIZE] = "";
  char zone[IF_NAMESIZE] = "";
  inet_ntop(AF_INET6, &address->sin6_addr, host, INET6_ADDRSTRLEN);
  bool scoped = IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr) && address->sin6_scope_id != 0;
  if (scoped && if_indextoname(address->sin6_scope_id, zone) != NULL) {
    size_t end = strlen(host);
    snprintf(host + end, sizeof host - end, "%%%s", zone);
  }
  return write_host(env, host, ntohs(address->sin6_port), 6);
}

/* An unnamed Unix socket has the empty path. An abstract name keeps its leading NUL. */
static napi_value write_path(napi_env env, const struct sockaddr_un *local, socklen_t length) {
  napi_value result = NULL, value = NULL;
  size_t start = offsetof(struct sockaddr_un, sun_path);
  size_t size = length > start ? length - start : 0;
  if (size > sizeof local->sun_path) size = sizeof local->sun_path;
  if (size > 0 && local->sun_path[0] != '\0') size = strnlen(local->sun_path, size);
  napi_create_object(env, &result);
  napi_create_string_utf8(env, local->sun_path, size, &value);
  napi_set_named_property(env, result, "path", value);
  return result;
}

/* Every family other than IPv4 and IPv6 is AF_UNIX: no others are used here. */
napi_value address_write(napi_env env, const struct sockaddr *address, socklen_t length) {
  char host[INET_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET6) return write_v6(env, (const struct sockaddr_in6 *)address);
  if (address->sa_family != AF_INET) {
    return write_path(env, (const struct sockaddr_un *)address, length);
  }
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
  inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
  return write_host(env, host, ntohs(v4->sin_port), 4);
}
