/*
 * The server behind the proxies: one thread, any number of ports, every operation of wire.h.
 *
 *     origin COUNT        listens on COUNT free ports of 127.0.0.1 and prints them on one line
 *
 * It closes first, as servers do: what waits in TIME_WAIT is then its side of the connection and the proxy's side
 * towards the client, which both have a fixed port. No ephemeral port is used up, however many connections there are.
 */
#define _GNU_SOURCE
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BACKLOG = 4096, PORTS_MAX = 16 };

enum phase { LISTENING, READING, SENDING, RECEIVING };

struct peer {
  int fd;
  enum phase phase;
  size_t have;
  struct request request;
  struct flow flow;
};

static int poller;

static struct peer *add_peer(int fd, enum phase phase) {
  struct peer *peer = calloc(1, sizeof *peer);
  if (peer == NULL) fail(errno, "calloc");
  *peer = (struct peer){.fd = fd, .phase = phase};
  watch(poller, EPOLL_CTL_ADD, fd, EPOLLIN, peer);
  return peer;
}

static void end_peer(struct peer *peer) {
  close(peer->fd);
  free(peer);
}

static int open_port(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, BACKLOG) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &size) != 0)
    fail(errno, "cannot listen on 127.0.0.1");
  add_peer(fd, LISTENING);
  return ntohs(address.sin_port);
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) add_peer(fd, READING);
    else if (errno == EAGAIN) return;
    else if (errno != ECONNABORTED) fail(errno, "accept");
  }
}

/* Whether the peer stays. */
static bool reply_to(struct peer *peer) {
  uint8_t reply[REPLY_SIZE];
  write_reply(reply, peer->request.id);
  return send_whole(peer->fd, reply, sizeof reply);
}

static bool answer(struct peer *peer) {
  if (!is_request(&peer->request)) fail(0, "a request with a wrong byte");
  peer->have = 0;
  switch ((enum operation)peer->request.operation) {
    case ASK:
      return reply_to(peer);
    case LAST:
      reply_to(peer);
      return false;
    case DOWN:
      peer->flow = (struct flow){.total = peer->request.amount};
      peer->phase = SENDING;
      watch(poller, EPOLL_CTL_MOD, peer->fd, EPOLLOUT, peer);
      return true;
    case UP:
      peer->flow = (struct flow){.total = peer->request.amount};
      peer->phase = RECEIVING;
      return true;
  }
  fail(0, "an unknown operation");
}

/* Whether the peer stays. One that is cut is the client's to report: proxies also open connections to look alive. */
static bool advance(struct peer *peer) {
  enum progress progress;
  switch (peer->phase) {
    case LISTENING:
      accept_all(peer->fd);
      return true;
    case READING:
      progress = receive_whole(peer->fd, &peer->request, sizeof peer->request, &peer->have);
      return progress == DONE ? answer(peer) : progress == AGAIN;
    case SENDING:
      return send_flow(peer->fd, &peer->flow) == AGAIN;
    case RECEIVING:
      progress = receive_flow(peer->fd, &peer->flow);
      if (progress == DONE) reply_to(peer);
      return progress == AGAIN;
  }
  fail(0, "an unknown phase");
}

int main(int count, char **arguments) {
  int ports = count == 2 ? atoi(arguments[1]) : 0;
  if (ports < 1 || ports > PORTS_MAX) fail(0, "usage: origin COUNT (1 to %d ports)", PORTS_MAX);
  /* It never outlives the benchmark, however that ends. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  fill_pattern();
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) fail(errno, "epoll_create1");
  for (int index = 0; index < ports; index++) printf("%s%d", index == 0 ? "" : " ", open_port());
  printf("\n");
  fflush(stdout);
  for (;;) {
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(poller, events, EVENTS, -1);
    if (ready < 0 && errno != EINTR) fail(errno, "epoll_wait");
    for (int index = 0; index < ready; index++) {
      struct peer *peer = events[index].data.ptr;
      if (!advance(peer)) end_peer(peer);
    }
  }
}
