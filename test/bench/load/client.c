/*
 * The clients of the proxies: one thread, one epoll, every byte accounted for.
 *
 *     client MODE PORT STREAMS WARM-UP MEASURED [KEY]
 *
 *                                                                  WARM-UP            MEASURED
 *   short   connections of one exchange, ended by the server       exchanges          milliseconds
 *   resumed short ones that each resume a session of TLS           exchanges          milliseconds
 *   kept    exchanges, one after the other on every connection     exchanges          milliseconds
 *   down    one transfer a stream                                  bytes a stream     bytes a stream
 *   up      one transfer a stream                                  bytes a stream     bytes a stream
 *   idle    one exchange a connection, which is then kept          exchanges, short   connections
 *   await   asks until somebody answers                            0                  0
 *
 * With KEY, "rsa" or "p256", it speaks TLS as secure.h says; for short, resumed, down and await.
 *
 * It prints `ready` after the warm-up, waits for a line on standard input while nothing is under way, measures, prints
 * one line of JSON, and keeps its connections until standard input ends. Anything unexpected ends it with status 1.
 */
#define _GNU_SOURCE
#include "secure.h"
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, SOURCES = 64, OPENING_AT_ONCE = 32, STALLED_MS = 10000, AWAIT_SECONDS = 20 };

struct stream {
  int fd;
  /* NULL: the socket itself is spoken to. */
  SSL *tls;
  bool is_under_way;
  bool is_asked;
  bool is_sent;
  uint64_t id;
  size_t have;
  uint8_t reply[REPLY_SIZE];
  struct flow flow;
};

static const uint32_t READABLE = EPOLLIN | EPOLLRDHUP;

static int poller;
static uint16_t port;
static bool is_secure;
static enum operation operation;
/* Of one transfer. */
static uint64_t amount;
static struct stream *streams;
/* Of the phase: exchanges begin until this time, or where it is 0 until so many have begun. */
static double deadline;
static uint64_t to_begin;
static bool takes_next_stream;
static int next_stream;
static int under_way;
static uint64_t completed;

/* Addresses are taken in turn: ephemeral ports suffice, and affinity by address spreads over the backends. */
static struct sockaddr_in source(void) {
  static unsigned opened;
  in_addr_t address = INADDR_LOOPBACK + 256 + opened++ % SOURCES;
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
}

static int dial(int flags) {
  struct sockaddr_in from = source();
  struct sockaddr_in to = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0) fail(errno, "socket");
  /* The port is chosen by connect(), which knows the destination and so has more to choose from. */
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
  /* What ends a handshake and what follows it are two small segments: neither is to wait for the other's ACK. */
  if (is_secure) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0) fail(errno, "bind");
  if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

/* False: not yet connected, or shaken hands. */
static bool ask(struct stream *stream) {
  struct request request;
  write_request(&request, operation, stream->id, amount);
  stream->is_asked = stream->tls == NULL ? send_whole(stream->fd, &request, sizeof request)
                                         : secure_send_whole(stream->tls, &request, sizeof request);
  return stream->is_asked;
}

static void begin(struct stream *stream) {
  static uint64_t last_id;
  bool is_new = stream->fd < 0;
  if (is_new && (stream->fd = dial(SOCK_NONBLOCK)) < 0) fail(errno, "cannot connect");
  *stream = (struct stream){.fd = stream->fd, .is_under_way = true, .id = ++last_id, .flow.total = amount};
  if (is_secure) stream->tls = secure_open(stream->fd);
  under_way++;
  bool writes_on = !ask(stream) || operation == UP;
  /* A handshake waits for either: level-triggered, a socket that can be written to would be told of all the time. */
  if (is_new) watch(poller, EPOLL_CTL_ADD, stream->fd, READABLE | (writes_on ? EPOLLOUT : 0) | (is_secure ? EPOLLET : 0), stream);
  else if (!stream->is_asked) fail(0, "a kept connection does not take a request");
}

static bool may_begin(void) {
  if (deadline > 0) return seconds_now() < deadline;
  if (to_begin == 0) return false;
  to_begin--;
  return true;
}

static void hang_up(struct stream *stream) {
  if (stream->tls != NULL) secure_close(stream->tls);
  close(stream->fd);
  stream->fd = -1;
}

static void complete(struct stream *stream) {
  stream->is_under_way = false;
  under_way--;
  completed++;
  if (operation != ASK) hang_up(stream);
  if (!may_begin()) return;
  begin(takes_next_stream ? &streams[next_stream++] : stream);
}

static void check_reply(const struct stream *stream) {
  uint8_t expected[REPLY_SIZE];
  write_reply(expected, stream->id);
  if (memcmp(stream->reply, expected, sizeof expected) != 0) fail(0, "a wrong byte in a reply");
}

_Noreturn static void fail_cut(const struct stream *stream) {
  fail(0, "a connection ended too early, after %zu bytes of its reply and %llu of %llu bytes in bulk", stream->have,
       (unsigned long long)stream->flow.done, (unsigned long long)stream->flow.total);
}

static enum progress receive_rest(struct stream *stream) {
  return stream->tls == NULL ? receive_whole(stream->fd, stream->reply, REPLY_SIZE, &stream->have)
                             : secure_receive_whole(stream->tls, stream->reply, REPLY_SIZE, &stream->have);
}

/* The reply, and for all but ASK the FIN that must follow it. */
static enum progress receive_reply(struct stream *stream, bool is_ended) {
  if (stream->have < REPLY_SIZE) {
    enum progress progress = receive_rest(stream);
    if (progress != DONE) return progress;
    check_reply(stream);
    if (operation == ASK) return DONE;
    if (!is_ended) return AGAIN;
  }
  uint8_t more;
  ssize_t got = stream->tls == NULL ? recv(stream->fd, &more, 1, 0) : secure_receive(stream->tls, &more, 1);
  if (got > 0) fail(0, "more bytes than a reply has");
  return got == 0 ? DONE : errno == EAGAIN ? AGAIN : CUT;
}

static enum progress advance(struct stream *stream, uint32_t events) {
  if (!stream->is_under_way) fail(0, "a connection ended, or sent something, unasked");
  if (!stream->is_asked) {
    if (!ask(stream)) return (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) == 0 ? AGAIN : CUT;
    if (operation != UP) watch(poller, EPOLL_CTL_MOD, stream->fd, READABLE, stream);
  }
  if (operation == UP && !stream->is_sent) {
    enum progress progress = send_flow(stream->fd, &stream->flow);
    if (progress != DONE) return progress;
    stream->is_sent = true;
    if (shutdown(stream->fd, SHUT_WR) != 0) return CUT;
    watch(poller, EPOLL_CTL_MOD, stream->fd, READABLE, stream);
    return AGAIN;
  }
  if ((events & ~(uint32_t)EPOLLOUT) == 0) return AGAIN;
  if (operation == DOWN) {
    return stream->tls == NULL ? receive_flow(stream->fd, &stream->flow)
                               : secure_receive_flow(stream->tls, &stream->flow);
  }
  /* The end that TLS says comes before that of the connection. */
  return receive_reply(stream, stream->tls != NULL || (events & EPOLLRDHUP) != 0);
}

/* Runs until nothing is under way; returns the seconds that it took. */
static double run(int at_once) {
  double start = seconds_now();
  completed = 0;
  for (int index = 0; index < at_once && may_begin(); index++)
    begin(&streams[takes_next_stream ? next_stream++ : index]);
  while (under_way > 0) {
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(poller, events, EVENTS, STALLED_MS);
    if (ready < 0 && errno != EINTR) fail(errno, "epoll_wait");
    if (ready == 0) fail(0, "nothing moved for %d ms, %d under way", STALLED_MS, under_way);
    for (int index = 0; index < ready; index++) {
      struct stream *stream = events[index].data.ptr;
      enum progress progress = advance(stream, events[index].events);
      if (progress == CUT) fail_cut(stream);
      if (progress == DONE) complete(stream);
    }
  }
  return seconds_now() - start;
}

static double run_for(double seconds, int at_once) {
  deadline = seconds_now() + seconds;
  return run(at_once);
}

static double run_count(uint64_t count, int at_once) {
  deadline = 0;
  to_begin = count;
  return run(at_once);
}

static double run_bytes(uint64_t bytes, int at_once) {
  amount = bytes;
  return run_count((uint64_t)at_once, at_once);
}

/* One exchange on each of so many new connections, which are kept. */
static double open_kept(int count) {
  operation = ASK;
  takes_next_stream = true;
  double seconds = run_count((uint64_t)count, OPENING_AT_ONCE);
  takes_next_stream = false;
  return seconds;
}

static void print_result(double seconds) {
  printf("{\"completed\":%llu,\"seconds\":%.6f}\n", (unsigned long long)completed, seconds);
  fflush(stdout);
}

static void wait_for_start(void) {
  printf("ready\n");
  fflush(stdout);
  if (getchar() == EOF) exit(0);
}

static bool is_answered(void) {
  struct stream stream = {.fd = dial(0), .id = 1};
  if (stream.fd < 0) return false;
  struct timeval limit = {.tv_sec = 1};
  setsockopt(stream.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (is_secure) stream.tls = secure_open(stream.fd);
  enum progress progress = ask(&stream) ? AGAIN : CUT;
  while (progress == AGAIN && (errno = 0) == 0) {
    progress = receive_rest(&stream);
    if (errno == EAGAIN) progress = CUT;
  }
  if (progress == DONE) check_reply(&stream);
  hang_up(&stream);
  return progress == DONE;
}

/* `seconds` of the result is the time of the monotonic clock at the first answer. */
static void await_answer(void) {
  operation = ASK;
  wait_for_start();
  double start = seconds_now();
  while (!is_answered()) {
    if (seconds_now() - start > AWAIT_SECONDS) fail(0, "nobody answers at 127.0.0.1:%d", port);
    nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
  }
  completed = 1;
  print_result(seconds_now());
}

int main(int count, char **arguments) {
  if (count != 6 && count != 7)
    fail(0, "usage: client short|resumed|kept|down|up|idle|await PORT STREAMS WARM-UP MEASURED [rsa|p256]");
  const char *mode = arguments[1];
  bool resumes = strcmp(mode, "resumed") == 0;
  is_secure = count == 7;
  if (is_secure) secure_start(arguments[6], resumes);
  port = (uint16_t)atoi(arguments[2]);
  int at_once = atoi(arguments[3]);
  uint64_t warm_up = strtoull(arguments[4], NULL, 10), measured = strtoull(arguments[5], NULL, 10);
  /* It never outlives the benchmark, however that ends. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  fill_pattern();
  poller = epoll_create1(EPOLL_CLOEXEC);
  bool is_idle = strcmp(mode, "idle") == 0;
  int stream_count = is_idle ? (int)measured : at_once;
  streams = calloc((size_t)stream_count + 1, sizeof *streams);
  if (poller < 0 || streams == NULL) fail(errno, "cannot start");
  for (int index = 0; index < stream_count; index++) streams[index].fd = -1;

  if (strcmp(mode, "await") == 0) {
    await_answer();
  } else if (is_idle) {
    operation = LAST;
    run_count(warm_up, OPENING_AT_ONCE);
    wait_for_start();
    print_result(open_kept((int)measured));
  } else if (strcmp(mode, "short") == 0 || strcmp(mode, "kept") == 0 || resumes) {
    if (mode[0] == 'k') open_kept(at_once);
    else operation = LAST;
    /* So that there is a session to resume. */
    if (resumes) run_count(1, 1);
    run_count(warm_up, at_once);
    wait_for_start();
    print_result(run_for((double)measured / 1000, at_once));
  } else if (strcmp(mode, "down") == 0 || strcmp(mode, "up") == 0) {
    operation = mode[0] == 'd' ? DOWN : UP;
    run_bytes(warm_up, at_once);
    wait_for_start();
    print_result(run_bytes(measured, at_once));
  } else {
    fail(0, "no mode %s", mode);
  }
  while (getchar() != EOF);
}
