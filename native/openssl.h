/*
 * The part of OpenSSL 3 that the addon uses: Node's own copy. Its functions are weak symbols, so
 * that the addon also loads where one is missing; openssl.c checks them. No header of OpenSSL is
 * needed to build. All types are opaque; the constants are part of OpenSSL's binary interface,
 * which version 3 keeps.
 */
#ifndef CORONET_OPENSSL_H
#define CORONET_OPENSSL_H

#include "coronet.h"

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_session_st SSL_SESSION;
typedef struct ssl_cipher_st SSL_CIPHER;
typedef struct bio_st BIO;
typedef struct bio_method_st BIO_METHOD;
typedef struct x509_st X509;
typedef struct x509_store_st X509_STORE;
typedef struct x509_store_ctx_st X509_STORE_CTX;
typedef struct evp_pkey_st EVP_PKEY;
typedef struct stack_st OPENSSL_STACK;
typedef struct crypto_ex_data_st CRYPTO_EX_DATA;

/* ssl.h, bio.h, crypto.h, tls1.h */
enum {
  SSL_ERROR_WANT_READ = 2,
  SSL_ERROR_WANT_WRITE = 3,
  SSL_ERROR_WANT_X509_LOOKUP = 4,
  SSL_ERROR_ZERO_RETURN = 6,
  SSL_CTRL_MODE = 33,
  SSL_CTRL_SET_READ_AHEAD = 41,
  SSL_CTRL_SET_TLSEXT_HOSTNAME = 55,
  SSL_CTRL_CHAIN = 88,
  SSL_CTRL_SET_VERIFY_CERT_STORE = 106,
  SSL_CTRL_GET_CHAIN_CERTS = 115,
  SSL_CTRL_SET_CURRENT_CERT = 117,
  SSL_CERT_SET_FIRST = 1,
  SSL_CERT_SET_NEXT = 2,
  SSL_MODE_RELEASE_BUFFERS = 0x10,
  SSL_VERIFY_NONE = 0,
  SSL_VERIFY_PEER = 1,
  SSL_VERIFY_FAIL_IF_NO_PEER_CERT = 2,
  SSL_TLSEXT_ERR_OK = 0,
  SSL_TLSEXT_ERR_ALERT_FATAL = 2,
  TLSEXT_NAMETYPE_HOST_NAME = 0,
  BIO_CTRL_FLUSH = 11,
  BIO_FLAGS_READ = 0x01,
  BIO_FLAGS_WRITE = 0x02,
  BIO_FLAGS_RWS = 0x07,
  BIO_FLAGS_SHOULD_RETRY = 0x08,
  BIO_TYPE_SOURCE_SINK = 0x0400,
  CRYPTO_EX_INDEX_SSL_CTX = 1,
  X509_V_OK = 0,
};
#define SSL_OP_ALLOW_CLIENT_RENEGOTIATION (UINT64_C(1) << 8)
#define SSL_OP_NO_RENEGOTIATION (UINT64_C(1) << 30)

typedef int (*VerifyCallback)(int ok, X509_STORE_CTX *store);
typedef int (*CertificateCallback)(SSL *ssl, void *argument);
#define ALPN_PARAMETERS \
  SSL *ssl, const uint8_t **out, uint8_t *out_length, const uint8_t *offered, \
      unsigned offered_length, void *argument
typedef int (*AlpnCallback)(ALPN_PARAMETERS);
#define EX_DATA_PARAMETERS \
  void *parent, void *value, CRYPTO_EX_DATA *data, int index, long argl, void *argp
typedef void (*ExDataNew)(EX_DATA_PARAMETERS);
typedef int (*BioWrite)(BIO *bio, const char *data, int length);
typedef int (*BioRead)(BIO *bio, char *data, int length);
typedef long (*BioControl)(BIO *bio, int command, long number, void *pointer);

/* Each function: result, name, parameters. */
#define OPENSSL_FUNCTIONS(F) \
  F(unsigned long, OpenSSL_version_num, (void)) \
  F(int, CRYPTO_get_ex_new_index, (int type, long argl, void *argp, ExDataNew make, void *dup, \
                                   void *release)) \
  F(int, CRYPTO_free_ex_index, (int type, int index)) \
  F(unsigned long, ERR_peek_error, (void)) \
  F(void, ERR_clear_error, (void)) \
  F(void, ERR_error_string_n, (unsigned long error, char *text, size_t size)) \
  F(const char *, ERR_reason_error_string, (unsigned long error)) \
  F(BIO_METHOD *, BIO_meth_new, (int type, const char *name)) \
  F(void, BIO_meth_free, (BIO_METHOD *method)) \
  F(int, BIO_meth_set_write, (BIO_METHOD *method, BioWrite write)) \
  F(int, BIO_meth_set_read, (BIO_METHOD *method, BioRead read)) \
  F(int, BIO_meth_set_ctrl, (BIO_METHOD *method, BioControl control)) \
  F(BIO *, BIO_new, (const BIO_METHOD *method)) \
  F(void, BIO_set_data, (BIO *bio, void *data)) \
  F(void *, BIO_get_data, (BIO *bio)) \
  F(void, BIO_set_init, (BIO *bio, int init)) \
  F(void, BIO_set_flags, (BIO *bio, int flags)) \
  F(void, BIO_clear_flags, (BIO *bio, int flags)) \
  F(int, SSL_CTX_up_ref, (SSL_CTX *context)) \
  F(void, SSL_CTX_free, (SSL_CTX *context)) \
  F(long, SSL_CTX_ctrl, (SSL_CTX *context, int command, long number, void *pointer)) \
  F(uint64_t, SSL_CTX_set_options, (SSL_CTX *context, uint64_t options)) \
  F(uint64_t, SSL_CTX_clear_options, (SSL_CTX *context, uint64_t options)) \
  F(void, SSL_CTX_set_alpn_select_cb, (SSL_CTX *context, AlpnCallback select, void *argument)) \
  F(int, SSL_CTX_set_alpn_protos, (SSL_CTX *context, const uint8_t *names, unsigned length)) \
  F(X509 *, SSL_CTX_get0_certificate, (const SSL_CTX *context)) \
  F(EVP_PKEY *, SSL_CTX_get0_privatekey, (const SSL_CTX *context)) \
  F(X509_STORE *, SSL_CTX_get_cert_store, (const SSL_CTX *context)) \
  F(OPENSSL_STACK *, SSL_CTX_get_client_CA_list, (const SSL_CTX *context)) \
  F(OPENSSL_STACK *, SSL_dup_CA_list, (const OPENSSL_STACK *names)) \
  F(void, SSL_set_client_CA_list, (SSL *ssl, OPENSSL_STACK *names)) \
  F(SSL *, SSL_new, (SSL_CTX *context)) \
  F(void, SSL_free, (SSL *ssl)) \
  F(long, SSL_ctrl, (SSL *ssl, int command, long number, void *pointer)) \
  F(void, SSL_set_bio, (SSL *ssl, BIO *read, BIO *write)) \
  F(void, SSL_set_accept_state, (SSL *ssl)) \
  F(void, SSL_set_connect_state, (SSL *ssl)) \
  F(void, SSL_set_verify, (SSL *ssl, int mode, VerifyCallback callback)) \
  F(void, SSL_set_cert_cb, (SSL *ssl, CertificateCallback callback, void *argument)) \
  F(void, SSL_certs_clear, (SSL *ssl)) \
  F(int, SSL_use_certificate, (SSL *ssl, X509 *certificate)) \
  F(int, SSL_use_PrivateKey, (SSL *ssl, EVP_PKEY *key)) \
  F(int, SSL_do_handshake, (SSL *ssl)) \
  F(int, SSL_read_ex, (SSL *ssl, void *data, size_t length, size_t *count)) \
  F(int, SSL_has_pending, (const SSL *ssl)) \
  F(int, SSL_write_ex, (SSL *ssl, const void *data, size_t length, size_t *count)) \
  F(int, SSL_shutdown, (SSL *ssl)) \
  F(int, SSL_get_error, (const SSL *ssl, int result)) \
  F(int, SSL_version, (const SSL *ssl)) \
  F(const char *, SSL_get_version, (const SSL *ssl)) \
  F(const SSL_CIPHER *, SSL_get_current_cipher, (const SSL *ssl)) \
  F(uint16_t, SSL_CIPHER_get_protocol_id, (const SSL_CIPHER *cipher)) \
  F(const char *, SSL_CIPHER_standard_name, (const SSL_CIPHER *cipher)) \
  F(int, SSL_session_reused, (const SSL *ssl)) \
  F(long, SSL_get_verify_result, (const SSL *ssl)) \
  F(X509 *, SSL_get0_peer_certificate, (const SSL *ssl)) \
  F(void, SSL_get0_alpn_selected, (const SSL *ssl, const uint8_t **name, unsigned *length)) \
  F(const char *, SSL_get_servername, (const SSL *ssl, int type)) \
  F(int, SSL_set_session, (SSL *ssl, SSL_SESSION *session)) \
  F(SSL_SESSION *, SSL_get_session, (const SSL *ssl)) \
  F(int, SSL_SESSION_is_resumable, (const SSL_SESSION *session)) \
  F(void, SSL_SESSION_free, (SSL_SESSION *session)) \
  F(SSL_SESSION *, d2i_SSL_SESSION, (SSL_SESSION **out, const uint8_t **data, long length)) \
  F(int, i2d_SSL_SESSION, (const SSL_SESSION *session, uint8_t **out)) \
  F(int, i2d_X509, (X509 *certificate, uint8_t **out)) \
  F(const char *, X509_verify_cert_error_string, (long code))

#define WEAK(result, name, parameters) __attribute__((weak)) result name parameters;
OPENSSL_FUNCTIONS(WEAK)
#undef WEAK

/* Receives of one call, which may all be without plaintext: a fast peer must not block the loop. */
#define MAX_RECEIVES 64
/* Plaintext of one record. */
#define RECORD_PLAINTEXT 16384
/* Plaintext that is encrypted before it is sent, and the memory for its ciphertext. */
#define WRITE_BYTES 65536
#define OUTPUT_BYTES 73728
/* Ciphertext that one connection keeps. A peer may request answers and not read them. */
#define MAX_UNSENT 262144

/* A record that other threads may read: it is never freed, because OpenSSL keeps its address. */
typedef struct Capture Capture;

/* What a call has received. */
typedef struct {
  uint32_t receives;
  bool produced;    /* the call has plaintext to return */
  bool drained;     /* the last receive was short */
  int32_t shortage; /* ENOMEM of a receive: this call fails, the connection does not */
} Input;

/* Everything about TLS that belongs to an environment. */
struct TlsLibrary {
  BIO_METHOD *method;
  Capture *capture;
  int capture_index;
  const Slot *slot;     /* of this call */
  Input input;
  bool single;          /* this call writes one record, so it need not be collected */
  size_t output_length; /* ciphertext of this call that is not sent yet */
  uint8_t output[OUTPUT_BYTES];
  uint8_t gathered[WRITE_BYTES];
};

/* A context of node:tls. Its finalizer may run after the environment has ended. */
typedef struct {
  SSL_CTX *context;
  uint32_t references; /* the object in JavaScript, and the connections */
  int32_t flags;
  uint32_t alpn_length;
  uint8_t alpn[]; /* the protocols as sent (RFC 7301) */
} TlsContext;

enum { CHOICE_PENDING, CHOICE_MADE, CHOICE_REJECTED };

/* The TLS state of a connection. */
struct Tls {
  TlsLibrary *library;
  TlsContext *context;
  SSL *ssl;
  char *error;           /* "reason\nmessage" of the failure */
  uint8_t *unread;       /* ciphertext that was received before TLS was attached */
  uint32_t unread_at;
  uint32_t unread_length;
  uint8_t *unsent;       /* ciphertext that the socket has not taken yet */
  uint32_t unsent_at;
  uint32_t unsent_length;
  int32_t receive_end;   /* why the socket has no more input: TLS_TRUNCATED or an errno; or 0 */
  int32_t send_error;    /* why it takes no more output: an errno; or 0 */
  uint8_t choice;        /* of the certificate, if the context has CHOOSE_CERTIFICATE */
  bool open;             /* the handshake is complete */
  bool failed;           /* the engine has failed; `error` has the reason */
  bool finished;         /* close_notify was written */
  bool finish_socket;    /* after the unsent bytes, the output of the socket ends */
  bool blocked;          /* SSL_read waits until unsent bytes are sent */
};

/* openssl.c */
const char *openssl_load(Environment *environment); /* NULL, or why it is not available */
void openssl_unload(Environment *environment);
void capture_begin(TlsLibrary *library);
SSL_CTX *capture_end(TlsLibrary *library);

/* tls.c: tls_begin precedes calls into OpenSSL that read or write; tls_flush sends their output */
int on_bio_read(BIO *bio, char *data, int length);
int on_bio_write(BIO *bio, const char *data, int length);
void tls_begin(const Slot *slot);
void tls_flush(const Slot *slot);
int32_t tls_result(Tls *tls, int result);
uint32_t tls_unsent(const Tls *tls);

/* tls-handshake.c */
Slot *tls_find(Call *call, int32_t handle);

/* tls-context.c */
TlsContext *tls_context_read(Call *call, size_t index);
void tls_context_release(TlsContext *context);

#endif
