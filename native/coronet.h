/*
 * Records and functions that the files of the addon share.
 *
 *   addon.c      one instance per environment: its lifetime, its exports
 *   call.c       reading arguments, returning integers, throwing typed errors
 *   slots.c      handles: index and generation, checked at every call
 *   poller.c     the inner epoll descriptor, nested in libuv as one poll handle
 *   address.c    conversion between endpoints and sockaddr
 *   sockets.c    listen, accept, connect, close
 *   options.c    socket options by small codes
 *   bytes.c      receive and send
 *   datagrams.c  UDP: bind, receive in batches, send, options, groups
 *   service.c    inherited listeners, messages to a service manager
 *   openssl.c    Node's OpenSSL (openssl.h): its functions, and the contexts of node:tls
 *   tls.c        TLS: receive and send; with tls-context.c, tls-handshake.c, tls-facts.c, tls-end.c
 *
 * Rules of this directory:
 *  1. No static state. Everything belongs to an Environment, and each worker thread has its own.
 *  2. A result is an integer: ≥ 0 is a value, < 0 is a negated errno. A stale handle is -EBADF.
 *     Exceptions (TypeError) are for callers that break the contract.
 *  3. The addon never ends the process: no assertion, no napi_fatal_error, no signal from a send.
 *  4. Memory of JavaScript is an argument of the call that uses it, and is used only in that call.
 *     No pointer to it is kept: it could be collected or detached between calls.
 */
#ifndef CORONET_H
#define CORONET_H

#ifndef _GNU_SOURCE
#error "Build with -D_GNU_SOURCE (accept4, SO_REUSEPORT), as build.mjs does"
#endif
#define NAPI_VERSION 8 /* napi_add_async_cleanup_hook as it is today; Node 16 and later */

#include <netinet/in.h>
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

/* Increases with every change of an exported function, so that a stale build is not loaded. */
#define CORONET_ABI 14

/*
 * Numbers that JavaScript also uses. addon.c exports them under these names as `constants`. They
 * are not the values of the system, so that JavaScript does not depend on those.
 */
#define INDEX_BITS 20              /* of a handle: the slot index; the rest is the generation */
#define FAMILY_UNIX 1              /* address family of a Unix socket; others: 4, 6, 0 (none) */
#define MAX_PIECES 64              /* sendv reads no more array elements than this */
#define MAX_TRANSFER 0x3ffff000    /* bytes of one system call, less than MAX_RW_COUNT of Linux */
#define RECV_MORE 0x40000000       /* added to a short receive that is not the end: an end, or an
                                    * error, follows the bytes and no edge will report it */

/* Flags of a TLS context. */
enum { TLS_SERVER = 1, REQUEST_CERTIFICATE = 2, REQUIRE_CERTIFICATE = 4, CHOOSE_CERTIFICATE = 8 };

/* Results of TLS connections, outside the range of errno. */
#define TLS_FAILED (-5001)    /* the engine has failed: tlsText(handle, TEXT_ERROR) */
#define TLS_TRUNCATED (-5002) /* the socket has ended without close_notify */
#define TLS_CHOOSE (-5003)    /* the handshake waits for tlsChoose */

/* Positions in the result of tlsFacts. */
enum {
  FACT_VERSION,       /* 0x0304: TLS 1.3 */
  FACT_CIPHER,        /* the number of the cipher suite */
  FACT_VERIFIED,      /* an X509_V_* code */
  FACT_CERTIFICATE,   /* 1: the peer has sent one */
  FACT_RESUMED,
  FACT_ALPN,          /* 1: there is one */
  FACT_SERVERNAME,
  FACT_INTS
};

/* Texts of tlsText. */
enum { TEXT_ERROR, TEXT_VERSION, TEXT_CIPHER, TEXT_ALPN, TEXT_SERVERNAME, TEXT_VERIFIED };

/* Bytes of tlsBytes. */
enum { BYTES_SESSION, BYTES_CERTIFICATE };

/* Flags of listen and bindDatagram. */
enum { REUSE_PORT = 1, IPV6_ONLY = 2, REUSE_ADDRESS = 4, BROADCAST = 8 };

/* Options of datagramOption. */
enum { OPTION_BROADCAST, OPTION_TTL, OPTION_MULTICAST_TTL, OPTION_MULTICAST_LOOPBACK };

/* Values of datagramStat. */
enum { STAT_RECV_BUFFER, STAT_SEND_BUFFER, STAT_DROPPED };

/* One accepted connection in an array of records: its handle, and its peer if that has an IPv4
 * address: family (4, 6: as an IPv4-mapped address, 0: another peer), port, the bytes of the IPv4
 * address. */
enum { ACCEPT_HANDLE, ACCEPT_FAMILY, ACCEPT_PORT, ACCEPT_HOST, ACCEPT_INTS };

/* One datagram in an array of records: length, 1 if it was truncated, family (4 or 6), port, the
 * bytes of the address (four ints, unused ones zero), scope (the index of an interface). */
enum {
  RECORD_LENGTH,
  RECORD_TRUNCATED,
  RECORD_FAMILY,
  RECORD_PORT,
  RECORD_HOST,
  RECORD_SCOPE = RECORD_HOST + 4,
  RECORD_INTS
};

/*
 * All events of a connection, in both directions. PRI is included because urgent data ends a recv
 * early (tcp(7)): after PRI a short read does not mean that the queue is empty.
 */
#define CONNECTION_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI)

#define MAX_ARGUMENTS 9
#define NO_SLOT UINT32_MAX

typedef struct Environment Environment;
typedef struct Poller Poller;
typedef struct Tls Tls;
typedef struct TlsLibrary TlsLibrary;

/*
 * The peer of a TCP connection. For a Unix socket only the family is set; its name is read from the
 * system.
 */
typedef union {
  sa_family_t family;
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
} PeerAddress;

/* One open socket. */
typedef struct {
  int fd;             /* -1: the slot is free */
  int32_t handle;     /* the handle of its owner; in a free slot, of its next owner */
  uint32_t next_free; /* the free list is a FIFO, so generations last long */
  Poller *poller;     /* the poller where it is registered */
  Tls *tls;           /* NULL: no TLS */
  PeerAddress peer;   /* kept because the system drops it after a reset */
  bool inherited;     /* other processes may have the same socket open */
  bool delays;        /* a listener whose connections do not inherit TCP_NODELAY */
  sa_family_t datagram; /* AF_INET or AF_INET6 of a datagram socket; AF_UNSPEC: a stream */
} Slot;

/* One readiness queue: the native part of one network in JavaScript. */
struct Poller {
  Environment *environment;
  Poller *next;         /* in Environment.pollers */
  void *watch;          /* the uv_poll_t; freed in its close callback, with this record */
  int32_t id;           /* never reused within an environment */
  int epoll_fd;         /* the inner epoll descriptor */
  int spare;            /* a descriptor to close when none is left (shed); -1: none */
  napi_ref events;      /* Int32Array that receives pairs of handle and event bits */
  napi_ref wake;        /* function (count): called once per wake-up with events */
};

/* Everything that belongs to one environment (main thread or worker). */
struct Environment {
  napi_env env;
  napi_async_cleanup_hook_handle cleanup;
  bool ending;           /* the cleanup hook has run; the last handle frees this record */
  Slot *slots;
  uint32_t capacity;     /* length of slots */
  uint32_t first_free;   /* NO_SLOT: none */
  uint32_t last_free;
  Poller *pollers;       /* the open pollers */
  int32_t next_poller;
  uint32_t sockets;      /* open descriptors in slots */
  uint32_t watches;      /* uv handles whose close callback has not run */
  TlsLibrary *tls;       /* NULL until TLS is used */
  int notifier;          /* the socket that notify sends from; -1: not opened yet */
};

/* A string argument: long enough for the path of a Unix socket and for any numeric host. */
typedef struct {
  char bytes[sizeof((struct sockaddr_un *)0)->sun_path + 8];
  size_t length; /* without the terminator */
} Text;

/* The arguments of the call in progress. */
typedef struct {
  napi_env env;
  Environment *environment;
  napi_value values[MAX_ARGUMENTS];
} Call;

/* An address as the argument of a system call. */
typedef struct {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un path;
    struct sockaddr_storage storage;
  } u;
  socklen_t length;
} Address;

/* call.c: every function returns false after it has thrown a TypeError. */
bool call_begin(napi_env env, napi_callback_info info, size_t count, Call *call);
bool call_int(Call *call, size_t index, int32_t *out);
bool call_bytes(Call *call, size_t index, uint8_t **data, size_t *length);
bool call_optional_bytes(Call *call, size_t index, uint8_t **data, size_t *length);
bool call_int32_array(Call *call, size_t index, int32_t **data, size_t *length);
bool call_text(Call *call, size_t index, Text *out);
bool call_string(Call *call, size_t index, char *out, size_t size);
bool call_typed(Call *call, size_t index, napi_valuetype type, const char *wanted);
bool call_wrong(Call *call, size_t index, const char *wanted);
napi_value call_result(Call *call, int32_t value);

/* slots.c */
int32_t slot_reserve(Environment *environment, uint32_t *index);
int32_t slot_fill(Environment *environment, uint32_t index, int fd, Poller *poller);
Slot *slot_find(Environment *environment, int32_t handle);
Slot *stream_find(Environment *environment, int32_t handle);
Slot *datagram_find(Environment *environment, int32_t handle);
void slot_release(Environment *environment, Slot *slot, bool reset);
void slots_release_of(Environment *environment, const Poller *poller);
uint32_t slot_index_of(int32_t handle);

/* poller.c */
void poller_end(Poller *poller);
void poller_keep_spare(Poller *poller);
Poller *poller_find(Environment *environment, int32_t id);
int poller_register(const Slot *slot, uint32_t interest);
int poller_rearm(const Slot *slot, uint32_t interest);

/* sockets.c */
int32_t socket_adopt(Poller *poller, uint32_t index, int fd, uint32_t interest);

/* address.c */
bool address_read(Call *call, size_t first, Address *out, int *error);
napi_value address_write(napi_env env, const struct sockaddr *address, socklen_t length);

/* bytes.c */
int32_t socket_receive(const Slot *slot, uint8_t *data, size_t length);
int32_t socket_send(int fd, const uint8_t *data, size_t length);
bool socket_discard(const Slot *slot);

/* openssl.c, tls.c: a slot with `tls` is received from and sent to here */
void openssl_unload(Environment *environment);
int32_t tls_receive(const Slot *slot, uint8_t *data, size_t length);
int32_t tls_send(const Slot *slot, const struct iovec *pieces, size_t count);
uint32_t tls_on_events(Slot *slot, uint32_t events);
void tls_free(Slot *slot);

/* options.c */
const char *socket_option_name(size_t code); /* NULL: unknown code */
int socket_option(int fd, int level, int name, int value);
int set_buffer_sizes(int fd, int32_t receive, int32_t send);

/* addon.c */
void environment_release(Environment *environment);

/* The exported functions: the name in JavaScript and the function. src/node/addon.ts has their
 * TypeScript types and descriptions. */
#define CORONET_FUNCTIONS(F) \
  F(createPoller, coronet_create_poller) \
  F(destroyPoller, coronet_destroy_poller) \
  F(poll, coronet_poll) \
  F(listen, coronet_listen) \
  F(accept, coronet_accept) \
  F(shed, coronet_shed) \
  F(queued, coronet_queued) \
  F(connect, coronet_connect) \
  F(connected, coronet_connected) \
  F(local, coronet_local) \
  F(peer, coronet_peer) \
  F(recv, coronet_recv) \
  F(recvEach, coronet_recv_each) \
  F(sendEach, coronet_send_each) \
  F(discard, coronet_discard) \
  F(send, coronet_send) \
  F(sendv, coronet_sendv) \
  F(shutdown, coronet_shutdown) \
  F(getOption, coronet_get_option) \
  F(setOption, coronet_set_option) \
  F(close, coronet_close) \
  F(bindDatagram, coronet_bind_datagram) \
  F(connectDatagram, coronet_connect_datagram) \
  F(recvDatagrams, coronet_recv_datagrams) \
  F(sender, coronet_sender) \
  F(sendDatagram, coronet_send_datagram) \
  F(watchSend, coronet_watch_send) \
  F(datagramOption, coronet_datagram_option) \
  F(datagramStat, coronet_datagram_stat) \
  F(joinGroup, coronet_join_group) \
  F(leaveGroup, coronet_leave_group) \
  F(multicastInterface, coronet_multicast_interface) \
  F(listenShared, coronet_listen_shared) \
  F(bound, coronet_bound) \
  F(adopt, coronet_adopt) \
  F(duplicate, coronet_duplicate) \
  F(notify, coronet_notify) \
  F(tlsBegin, coronet_tls_begin) \
  F(tlsTake, coronet_tls_take) \
  F(tlsStart, coronet_tls_start) \
  F(tlsHandshake, coronet_tls_handshake) \
  F(tlsChoose, coronet_tls_choose) \
  F(tlsFacts, coronet_tls_facts) \
  F(tlsText, coronet_tls_text) \
  F(tlsBytes, coronet_tls_bytes) \
  F(tlsFinish, coronet_tls_finish) \
  F(tlsClose, coronet_tls_close)

#define DECLARE(name, function) napi_value function(napi_env env, napi_callback_info info);
CORONET_FUNCTIONS(DECLARE)
#undef DECLARE

#endif
