// System calls for an event loop written in TypeScript. Plain numbers in and out, pointers are numbers (below 2^53);
// a call that fails returns -errno. Built by `node native/build.mjs`; the same through node:ffi: src/proxy/sys/ffi.ts.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <node_api.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_ARGUMENTS 5

static napi_value result_of(napi_env env, int64_t result) {
  napi_value value;
  napi_create_int32(env, (int32_t)(result < 0 ? -errno : result), &value);
  return value;
}

static int read_arguments(napi_env env, napi_callback_info info, int64_t *arguments) {
  size_t count = MOST_ARGUMENTS;
  napi_value values[MOST_ARGUMENTS];
  napi_get_cb_info(env, info, &count, values, NULL, NULL);
  for (size_t k = 0; k < count && k < MOST_ARGUMENTS; k++)
    if (napi_get_value_int64(env, values[k], &arguments[k]) != napi_ok) return 0;
  return 1;
}

static napi_value wrong_argument(napi_env env) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "system calls take numbers only");
  return NULL;
}

#define POINTER(k) ((void *)(uintptr_t)a[k])
#define AT(k) ((void *)((uintptr_t)a[k] + (uintptr_t)a[(k) + 1]))
#define CALL(name, expression)                                         \
  static napi_value call_##name(napi_env env, napi_callback_info info) { \
    int64_t a[MOST_ARGUMENTS] = {0};                                   \
    if (!read_arguments(env, info, a)) return wrong_argument(env);     \
    return result_of(env, expression);                                 \
  }

static int64_t set_number(int fd, int level, int option, int number) {
  return setsockopt(fd, level, option, &number, sizeof number);
}

static int64_t get_number(int fd, int level, int option) {
  int number = 0;
  socklen_t length = sizeof number;
  return getsockopt(fd, level, option, &number, &length) < 0 ? -1 : number;
}

static int64_t accept_at(int fd, void *address) {
  socklen_t length = sizeof(struct sockaddr_in6);
  return accept4(fd, address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static int64_t name_at(int fd, void *address) {
  socklen_t length = sizeof(struct sockaddr_in6);
  return getsockname(fd, address, &length);
}

// A socket that connects. Acknowledgements wait for data from the first one on when that is asked for.
static int64_t dial(int family, const struct sockaddr *address, socklen_t length, int delays_acks) {
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (delays_acks) set_number(fd, IPPROTO_TCP, TCP_QUICKACK, 0);
  if (connect(fd, address, length) == 0 || errno == EINPROGRESS) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

// One read and one write for the price of one call. What was sent, or -errno, is left behind the buffer.
static int64_t transfer(int from, int to, char *buffer, int64_t size, int flags) {
  int64_t received = recv(from, buffer, size, 0);
  if (received <= 0) return received;
  int64_t sent = send(to, buffer, received, MSG_NOSIGNAL | (received < size ? flags : 0));
  *(int32_t *)(buffer + size) = sent < 0 ? -errno : sent;
  return received;
}

// The events carry the descriptor in the low half of their data, the generation in the high one.
static int64_t watch(int epoll, int operation, int fd, uint32_t events, uint32_t generation) {
  struct epoll_event event = {events, {.u64 = (uint64_t)generation << 32 | (uint32_t)fd}};
  return epoll_ctl(epoll, operation, fd, &event);
}

CALL(accept, accept_at(a[0], POINTER(1)))
CALL(bind, bind(a[0], POINTER(1), a[2]))
CALL(close, close(a[0]))
CALL(dial, dial(a[0], POINTER(1), a[2], a[3]))
CALL(epollControl, watch(a[0], a[1], a[2], a[3], a[4]))
CALL(epollCreate, epoll_create1(EPOLL_CLOEXEC))
CALL(epollWait, epoll_wait(a[0], POINTER(1), a[2], a[3]))
CALL(eventfd, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC))
CALL(getOption, get_number(a[0], a[1], a[2]))
CALL(getSocketName, name_at(a[0], POINTER(1)))
CALL(listen, listen(a[0], a[1]))
CALL(pipe, pipe2(POINTER(0), O_NONBLOCK | O_CLOEXEC))
CALL(read, read(a[0], POINTER(1), a[2]))
CALL(recv, recv(a[0], POINTER(1), a[2], 0))
CALL(send, send(a[0], AT(1), a[3], MSG_NOSIGNAL | a[4]))
CALL(setOption, set_number(a[0], a[1], a[2], a[3]))
CALL(setOptionAt, setsockopt(a[0], a[1], a[2], POINTER(3), a[4]))
CALL(setPipeSize, fcntl(a[0], F_SETPIPE_SZ, a[1]))
CALL(shutdownWrite, shutdown(a[0], SHUT_WR))
CALL(socket, socket(a[0], SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))
CALL(splice, splice(a[0], NULL, a[1], NULL, a[2], SPLICE_F_MOVE | SPLICE_F_NONBLOCK))
CALL(transfer, transfer(a[0], a[1], POINTER(2), a[3], a[4]))
CALL(write, write(a[0], POINTER(1), a[2]))

static napi_value address_of(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value buffer, value;
  void *data = NULL;
  size_t length = 0;
  napi_get_cb_info(env, info, &count, &buffer, NULL, NULL);
  napi_get_arraybuffer_info(env, buffer, &data, &length);
  napi_create_double(env, (double)(uintptr_t)data, &value);
  return value;
}

static void export(napi_env env, napi_value exports, const char *name, napi_callback function) {
  napi_value value;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &value);
  napi_set_named_property(env, exports, name, value);
}

#define EXPORT(name) export(env, exports, #name, call_##name);

NAPI_MODULE_INIT() {
  export(env, exports, "addressOf", address_of);
  EXPORT(accept) EXPORT(bind) EXPORT(close) EXPORT(dial) EXPORT(epollControl) EXPORT(epollCreate)
  EXPORT(epollWait) EXPORT(eventfd) EXPORT(getOption) EXPORT(getSocketName) EXPORT(listen) EXPORT(pipe)
  EXPORT(read) EXPORT(recv) EXPORT(send) EXPORT(setOption) EXPORT(setOptionAt) EXPORT(setPipeSize)
  EXPORT(shutdownWrite) EXPORT(socket) EXPORT(splice) EXPORT(transfer) EXPORT(write)
  return exports;
}
