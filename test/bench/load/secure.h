/*
 * TLS for client.c: the functions of wire.h, for a connection on which TLS is spoken.
 *
 * TLS 1.3 with TLS_AES_128_GCM_SHA256, keys agreed on by X25519, and nothing else: whoever is measured works the same.
 * The chain of a certificate is not verified, its key's kind and the signature made by it are.
 */
#ifndef SECURE_H
#define SECURE_H

#include "wire.h"

#include <openssl/ssl.h>

/* `key`: "rsa" or "p256", what certificates have to have. `resumes`: by the newest ticket, once there is one. */
void secure_start(const char *key, bool resumes);

SSL *secure_open(int fd);
/* Without a word to the peer; the socket stays. */
void secure_close(SSL *tls);

/* Works the handshake, too: false until that is over. */
bool secure_send_whole(SSL *tls, const void *buffer, size_t size);
enum progress secure_receive_flow(SSL *tls, struct flow *flow);
enum progress secure_receive_whole(SSL *tls, void *buffer, size_t size, size_t *have);
/* As recv(): 0 is the end, -1 with EAGAIN not yet, -1 with ECONNRESET a reset. */
ssize_t secure_receive(SSL *tls, void *buffer, size_t size);

#endif
