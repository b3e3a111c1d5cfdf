#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum {
  PERIOD = 65521,
  PIECE = 256 * 1024,
  TURN = 1024 * 1024,
  /* One read in so many is compared; the others are counted, and their bytes discarded by the kernel. */
  COMPARED = 16,
};

/* A piece that starts anywhere in the period is in here as a whole. */
static uint8_t pattern[PERIOD + PIECE];
static uint8_t received[PIECE];

void fail(int error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("load: ", stderr);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fprintf(stderr, error == 0 ? "\n" : ": %s\n", strerror(error));
  exit(1);
}

void fill_pattern(void) {
  uint32_t state = 1;
  for (size_t index = 0; index < PERIOD; index++) {
    state = state * 1664525 + 1013904223;
    pattern[index] = (uint8_t)(state >> 24);
  }
  for (size_t index = PERIOD; index < sizeof pattern; index++) pattern[index] = pattern[index - PERIOD];
}

void write_request(struct request *request, enum operation operation, uint64_t id, uint64_t amount) {
  *request = (struct request){.operation = operation, .id = id, .amount = amount};
  memcpy(request->rest, pattern + id % PERIOD, sizeof request->rest);
}

bool is_request(const struct request *request) {
  return memcmp(request->rest, pattern + request->id % PERIOD, sizeof request->rest) == 0;
}

void write_reply(uint8_t reply[REPLY_SIZE], uint64_t id) {
  memcpy(reply, &id, sizeof id);
  memcpy(reply + sizeof id, pattern + id % PERIOD, REPLY_SIZE - sizeof id);
}

static size_t least(uint64_t left, size_t limit) { return left < limit ? (size_t)left : limit; }

static bool is_cut(int error) { return error == ECONNRESET || error == EPIPE || error == ECONNREFUSED; }

enum progress send_flow(int fd, struct flow *flow) {
  for (uint64_t end = flow->done + TURN; flow->done < flow->total && flow->done < end;) {
    const uint8_t *from = pattern + flow->done % PERIOD;
    ssize_t sent = send(fd, from, least(flow->total - flow->done, PIECE), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN ? AGAIN : CUT;
    flow->done += (uint64_t)sent;
  }
  return flow->done == flow->total ? DONE : AGAIN;
}

/* The end of the stream belongs to it: DONE only when the FIN is read, right after the last byte. */
enum progress take_flow(struct flow *flow, const uint8_t *bytes, ssize_t got) {
  if (got < 0) return errno == EAGAIN ? AGAIN : CUT;
  if (got == 0) return flow->done == flow->total ? DONE : CUT;
  if (bytes != NULL && memcmp(bytes, pattern + flow->done % PERIOD, (size_t)got) != 0)
    fail(0, "a wrong byte among %zd after the first %llu", got, (unsigned long long)flow->done);
  flow->done += (uint64_t)got;
  if (flow->done > flow->total)
    fail(0, "%llu bytes where %llu were sent", (unsigned long long)flow->done, (unsigned long long)flow->total);
  return AGAIN;
}

enum progress receive_flow(int fd, struct flow *flow) {
  bool is_compared = flow->reads++ % COMPARED == 0;
  ssize_t got = is_compared ? recv(fd, received, sizeof received, 0) : recv(fd, NULL, TURN, MSG_TRUNC);
  return take_flow(flow, is_compared ? received : NULL, got);
}

enum progress take_whole(ssize_t got, size_t size, size_t *have) {
  if (got < 0 && errno == EAGAIN) return AGAIN;
  if (got <= 0) return CUT;
  *have += (size_t)got;
  return *have == size ? DONE : AGAIN;
}

enum progress receive_whole(int fd, void *buffer, size_t size, size_t *have) {
  return take_whole(recv(fd, (uint8_t *)buffer + *have, size - *have, 0), size, have);
}

bool send_whole(int fd, const void *buffer, size_t size) {
  ssize_t sent = send(fd, buffer, size, MSG_NOSIGNAL);
  if (sent == (ssize_t)size) return true;
  if (sent < 0 && errno == EAGAIN) return false;
  /* What this sends fits into an empty buffer: a part of it is as wrong as an error. */
  if (sent < 0 && is_cut(errno)) return false;
  fail(sent < 0 ? errno : 0, "cannot send %zu bytes", size);
}

void watch(int poll, int change, int fd, uint32_t events, void *data) {
  struct epoll_event event = {.events = events, .data.ptr = data};
  if (epoll_ctl(poll, change, fd, &event) != 0) fail(errno, "epoll_ctl");
}

double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
