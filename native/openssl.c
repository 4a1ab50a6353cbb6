/*
 * Node's own OpenSSL: its functions, and the contexts that node:tls makes.
 *
 * The binary of Node exports OpenSSL, or is linked to it, so the weak symbols of openssl.h are
 * found. A Node whose OpenSSL is not version 3 or lacks a function leaves TLS to node:tls.
 *
 * Parsing of certificates, keys, ciphers and authorities stays with tls.createSecureContext. Its
 * SSL_CTX is found through an ex_data index: OpenSSL calls `on_new_context` for every SSL_CTX that
 * the process creates, in the thread that creates it. The index belongs to this environment, and is
 * made once. A context may serve here or in node:tls, never both: the callbacks that node:tls adds
 * cast the connection to a type of its own.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "openssl.h"

#define BIO_NAME "coronet"
#define BIO_NUMBER 0x7e /* any number: only BIO_find_type reads it */

struct Capture {
  pthread_t thread;
  atomic_bool active; /* between capture_begin and capture_end */
  uint32_t count;     /* contexts created meanwhile, by this thread */
  SSL_CTX *context;   /* the last one */
};

/* Other threads call this for their contexts. They read `thread` and `active` only. */
static void on_new_context(EX_DATA_PARAMETERS) {
  Capture *capture = argp;
  (void)value;
  (void)data;
  (void)index;
  (void)argl;
  if (!atomic_load(&capture->active) || !pthread_equal(capture->thread, pthread_self())) return;
  capture->count += 1;
  capture->context = parent;
}

void capture_begin(TlsLibrary *library) {
  Capture *capture = library->capture;
  capture->count = 0;
  capture->context = NULL;
  atomic_store(&capture->active, true);
}

/* The context that was created since capture_begin; NULL unless it is exactly one. */
SSL_CTX *capture_end(TlsLibrary *library) {
  Capture *capture = library->capture;
  atomic_store(&capture->active, false);
  return capture->count == 1 ? capture->context : NULL;
}

/* OpenSSL flushes after each flight; the bytes are sent when the call ends. */
static long on_bio_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio;
  (void)number;
  (void)pointer;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/* The name of the first function that is missing, or NULL. */
static const char *missing_function(void) {
#define CHECK(result, name, parameters) \
  if (name == NULL) return #name;
  OPENSSL_FUNCTIONS(CHECK)
#undef CHECK
  return NULL;
}

static const char *prepare(TlsLibrary *library) {
  const char *missing = missing_function();
  if (missing != NULL) return missing;
  if (OpenSSL_version_num() >> 28 != 3) return "OpenSSL 3";
  library->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_NUMBER, BIO_NAME);
  library->capture = calloc(1, sizeof *library->capture);
  if (library->method == NULL || library->capture == NULL) return "memory";
  BIO_meth_set_read(library->method, on_bio_read);
  BIO_meth_set_write(library->method, on_bio_write);
  BIO_meth_set_ctrl(library->method, on_bio_control);
  library->capture->thread = pthread_self();
  library->capture_index = CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL_CTX, 0, library->capture,
                                                   on_new_context, NULL, NULL);
  return library->capture_index < 0 ? "a free index" : NULL;
}

/* Loads the library at the first call. Returns NULL, or the name of what is missing. */
const char *openssl_load(Environment *environment) {
  if (environment->tls != NULL) return NULL;
  TlsLibrary *library = calloc(1, sizeof *library);
  if (library == NULL) return "memory";
  const char *missing = prepare(library);
  environment->tls = library;
  if (missing != NULL) openssl_unload(environment);
  return missing;
}

/*
 * Called when every connection is closed. The capture record stays: a thread may be in
 * `on_new_context`, and OpenSSL keeps the address.
 */
void openssl_unload(Environment *environment) {
  TlsLibrary *library = environment->tls;
  if (library == NULL) return;
  environment->tls = NULL;
  bool indexed = library->capture != NULL && library->capture_index > 0;
  if (indexed) CRYPTO_free_ex_index(CRYPTO_EX_INDEX_SSL_CTX, library->capture_index);
  else free(library->capture);
  if (library->method != NULL) BIO_meth_free(library->method);
  free(library);
}
