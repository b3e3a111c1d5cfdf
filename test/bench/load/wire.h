/*
 * What the two ends of the benchmark, client.c and origin.c, say to each other through a proxy.
 *
 *   ASK    request, reply, request, reply, ...        until the client ends
 *   LAST   request, reply, FIN of the origin          as an HTTP/1.0 server does
 *   DOWN   request, `amount` bytes, FIN of the origin
 *   UP     request, `amount` bytes, FIN of the client, reply
 *
 * Every byte can be told wrong: a reply repeats the id of its request and depends on it everywhere, and bulk bytes
 * are a pattern whose period is a prime, so that nothing lost, doubled or out of order goes unseen.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { REQUEST_SIZE = 64, REPLY_SIZE = 128 };

enum operation { ASK = 'a', LAST = 'l', DOWN = 'd', UP = 'u' };

struct request {
  uint64_t operation;
  uint64_t id;
  uint64_t amount;
  uint8_t rest[REQUEST_SIZE - 24];
};

/* One direction of a bulk transfer. */
struct flow {
  uint64_t total;
  uint64_t done;
  unsigned reads;
};

enum progress { AGAIN, DONE, CUT };

/* Ends the program with a message on standard error. `error` is an errno, or 0 where none belongs to it. */
_Noreturn void fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

void fill_pattern(void);
void write_request(struct request *request, enum operation operation, uint64_t id, uint64_t amount);
bool is_request(const struct request *request);
void write_reply(uint8_t reply[REPLY_SIZE], uint64_t id);

/* Moves what the socket takes or has, at most about a megabyte, so that other sockets get their turn. */
enum progress send_flow(int fd, struct flow *flow);
enum progress receive_flow(int fd, struct flow *flow);
/* What a read of it has returned, with its errno; `bytes` that are NULL are counted only. */
enum progress take_flow(struct flow *flow, const uint8_t *bytes, ssize_t got);

/* Reads into a buffer of `size` that holds `*have` bytes. CUT: the peer has ended or reset. */
enum progress receive_whole(int fd, void *buffer, size_t size, size_t *have);
/* What a read into it has returned, with its errno. */
enum progress take_whole(ssize_t got, size_t size, size_t *have);
/* Sends something small at once; false when the socket is not ready. */
bool send_whole(int fd, const void *buffer, size_t size);

void watch(int poll, int change, int fd, uint32_t events, void *data);
double seconds_now(void);

#endif
