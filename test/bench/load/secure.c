#define _GNU_SOURCE
#include "secure.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

/* Of a record, the most that one read returns. */
enum { RECORD = 16 * 1024, RECORDS_IN_A_TURN = 64 };

static SSL_CTX *context;
static int key_kind;
/* No connection has it: OpenSSL lets one that has been resumed not be resumed again, so each gets a copy. */
static SSL_SESSION *newest;

_Noreturn static void fail_tls(const char *what) {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  fail(0, "%s: %s", what, text);
}

static int keep_session(SSL *tls, SSL_SESSION *session) {
  (void)tls;
  SSL_SESSION_free(newest);
  newest = SSL_SESSION_dup(session);
  return 0;
}

void secure_start(const char *key, bool resumes) {
  if (strcmp(key, "rsa") == 0) key_kind = EVP_PKEY_RSA;
  else if (strcmp(key, "p256") == 0) key_kind = EVP_PKEY_EC;
  else fail(0, "no kind of key %s", key);
  context = SSL_CTX_new(TLS_client_method());
  if (context == NULL || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
      !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") || !SSL_CTX_set1_groups_list(context, "X25519"))
    fail_tls("cannot start TLS");
  /* Not every proxy says close_notify before its FIN. What is cut is known by the number of its bytes. */
  SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
  if (!resumes) return;
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_session);
}

static void resume(SSL *tls) {
  SSL_SESSION *copy = SSL_SESSION_dup(newest);
  if (copy == NULL || !SSL_set_session(tls, copy)) fail_tls("cannot resume");
  SSL_SESSION_free(copy);
  SSL_set_app_data(tls, newest);
}

SSL *secure_open(int fd) {
  SSL *tls = SSL_new(context);
  if (tls == NULL || !SSL_set_fd(tls, fd)) fail_tls("cannot open TLS");
  if (newest != NULL) resume(tls);
  SSL_set_connect_state(tls);
  return tls;
}

/* A connection that is freed before its end was said would make its session one that cannot be resumed. */
void secure_close(SSL *tls) {
  SSL_set_shutdown(tls, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(tls);
}

/* What a handshake that is over has to have come to. */
static void check_handshake(SSL *tls) {
  bool is_to_resume = SSL_get_app_data(tls) != NULL;
  if (SSL_session_reused(tls) != is_to_resume)
    fail(0, is_to_resume ? "a session was not resumed" : "a session was resumed unasked");
  X509 *certificate = SSL_get0_peer_certificate(tls);
  EVP_PKEY *key = certificate == NULL ? NULL : X509_get0_pubkey(certificate);
  if (key == NULL || EVP_PKEY_base_id(key) != key_kind) fail(0, "a certificate with a key of another kind");
}

/* -1 with an errno, as system calls have it; ends the program for what breaks TLS. */
static ssize_t failure(SSL *tls, int result) {
  int reason = SSL_get_error(tls, result);
  if (reason == SSL_ERROR_ZERO_RETURN) return 0;
  if (reason == SSL_ERROR_SSL) fail_tls("TLS");
  errno = reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
  return -1;
}

bool secure_send_whole(SSL *tls, const void *buffer, size_t size) {
  int result = SSL_do_handshake(tls);
  if (result == 1) {
    check_handshake(tls);
    result = SSL_write(tls, buffer, (int)size);
    if (result == (int)size) return true;
  }
  failure(tls, result);
  return false;
}

ssize_t secure_receive(SSL *tls, void *buffer, size_t size) {
  int got = SSL_read(tls, buffer, (int)size);
  return got > 0 ? got : failure(tls, got);
}

enum progress secure_receive_flow(SSL *tls, struct flow *flow) {
  static uint8_t received[RECORD];
  for (int count = 0; count < RECORDS_IN_A_TURN; count++) {
    ssize_t got = secure_receive(tls, received, sizeof received);
    enum progress progress = take_flow(flow, received, got);
    if (got <= 0) return progress;
  }
  return AGAIN;
}

enum progress secure_receive_whole(SSL *tls, void *buffer, size_t size, size_t *have) {
  return take_whole(secure_receive(tls, (uint8_t *)buffer + *have, size - *have), size, have);
}
