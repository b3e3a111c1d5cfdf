import { constants } from 'node:fs';
import type { Pointer, Sys } from './sys.ts';
import { EPOLL_EVENT, SOL, TCP } from './constants.ts';

type Call = (...values: readonly (number | bigint)[]) => number;

const POINTER = 'pointer';
const INT = 'i32';
const UNSIGNED = 'u32';
/** A `size_t`: a 64-bit parameter would make every length a BigInt; both CPUs clear the upper half. */
const SIZE = 'u32';

const NON_BLOCKING = constants.O_NONBLOCK;
const CLOSE_ON_EXEC = 0x8_0000;
const SOCK_STREAM = 1;
const SHUT_WR = 1;
const IN_PROGRESS = -115;
const F_SETPIPE_SZ = 1031;
const MSG_NOSIGNAL = 0x4000;
const SPLICE_MOVE_NON_BLOCKING = 3;
const LARGEST_ADDRESS = 28;

const SIGNATURES = {
  accept4: [INT, POINTER, POINTER, INT],
  bind: [INT, POINTER, UNSIGNED],
  close: [INT],
  connect: [INT, POINTER, UNSIGNED],
  epoll_create1: [INT],
  epoll_ctl: [INT, INT, INT, POINTER],
  epoll_wait: [INT, POINTER, INT, INT],
  eventfd: [UNSIGNED, INT],
  fcntl: [INT, INT, INT],
  getsockname: [INT, POINTER, POINTER],
  getsockopt: [INT, INT, INT, POINTER, POINTER],
  listen: [INT, INT],
  pipe2: [POINTER, INT],
  read: [INT, POINTER, SIZE],
  recv: [INT, POINTER, SIZE, INT],
  send: [INT, POINTER, SIZE, INT],
  setsockopt: [INT, INT, INT, POINTER, UNSIGNED],
  shutdown: [INT, INT],
  socket: [INT, INT, INT],
  splice: [INT, POINTER, INT, POINTER, SIZE, UNSIGNED],
  write: [INT, POINTER, SIZE],
} as const;

/** FFI takes pointers as BigInts; one that is already right is not made anew. */
function at(pointer: Pointer, offset: number): bigint {
  return offset === 0 && typeof pointer === 'bigint' ? pointer : BigInt(pointer) + BigInt(offset);
}

/** The C library's names of the calls, through `node:ffi`: nothing to compile, about 0.2 us a call slower. */
export async function loadFfi(): Promise<Sys> {
  const { default: ffi } = await import('node:ffi');
  const wanted = Object.fromEntries(
    Object.entries(SIGNATURES).map(([name, parameters]) => [
      name,
      { return: INT, arguments: [...parameters] },
    ]),
  );
  const { functions } = ffi.dlopen('libc.so.6', {
    ...wanted,
    __errno_location: { return: POINTER, arguments: [] },
  });
  const c = functions as unknown as Record<keyof typeof SIGNATURES, Call>;
  const locate = functions['__errno_location'] as unknown as () => bigint;
  const errno = new Int32Array(ffi.toArrayBuffer(locate(), Int32Array.BYTES_PER_ELEMENT, false));
  const result = (value: number): number => (value < 0 ? -errno[0]! : value);

  // One buffer each for what the kernel wants behind a pointer; all are used within one call.
  const number = new Int32Array(new ArrayBuffer(4));
  const length = new Uint32Array(new ArrayBuffer(4));
  const event = new Uint32Array(new ArrayBuffer(16));
  const addressOf = (buffer: ArrayBuffer): bigint => ffi.getRawPointer(buffer);
  const numberAt = addressOf(number.buffer);
  const lengthAt = addressOf(length.buffer);
  const eventAt = addressOf(event.buffer);

  return {
    addressOf,
    accept(fd, address) {
      length[0] = LARGEST_ADDRESS;
      return result(c.accept4(fd, address, lengthAt, NON_BLOCKING | CLOSE_ON_EXEC));
    },
    bind: (fd, address, size) => result(c.bind(fd, address, size)),
    close: (fd) => result(c.close(fd)),
    dial(family, address, size, delaysAcks) {
      const fd = result(c.socket(family, SOCK_STREAM | NON_BLOCKING | CLOSE_ON_EXEC, 0));
      if (fd < 0) return fd;
      number[0] = 0;
      if (delaysAcks === 1) c.setsockopt(fd, SOL.TCP, TCP.QUICKACK, numberAt, number.byteLength);
      const connected = result(c.connect(fd, address, size));
      if (connected === 0 || connected === IN_PROGRESS) return fd;
      c.close(fd);
      return connected;
    },
    epollControl(epoll, operation, fd, events, generation) {
      event[0] = events;
      event[EPOLL_EVENT.descriptor] = fd;
      event[EPOLL_EVENT.generation] = generation;
      return result(c.epoll_ctl(epoll, operation, fd, eventAt));
    },
    epollCreate: () => result(c.epoll_create1(CLOSE_ON_EXEC)),
    epollWait: (epoll, events, count, timeoutMs) => result(c.epoll_wait(epoll, events, count, timeoutMs)),
    eventfd: () => result(c.eventfd(0, NON_BLOCKING | CLOSE_ON_EXEC)),
    getOption(fd, level, option) {
      length[0] = number.byteLength;
      return c.getsockopt(fd, level, option, numberAt, lengthAt) < 0 ? result(-1) : number[0]!;
    },
    getSocketName(fd, address) {
      length[0] = LARGEST_ADDRESS;
      return result(c.getsockname(fd, address, lengthAt));
    },
    listen: (fd, backlog) => result(c.listen(fd, backlog)),
    pipe: (fds) => result(c.pipe2(fds, NON_BLOCKING | CLOSE_ON_EXEC)),
    read: (fd, into, size) => result(c.read(fd, into, size)),
    recv: (fd, into, size) => result(c.recv(fd, into, size, 0)),
    send: (fd, from, offset, size, flags) => result(c.send(fd, at(from, offset), size, MSG_NOSIGNAL | flags)),
    setOption(fd, level, option, value) {
      number[0] = value;
      return result(c.setsockopt(fd, level, option, numberAt, number.byteLength));
    },
    setOptionAt: (fd, level, option, value, size) => result(c.setsockopt(fd, level, option, value, size)),
    setPipeSize: (fd, bytes) => result(c.fcntl(fd, F_SETPIPE_SZ, bytes)),
    shutdownWrite: (fd) => result(c.shutdown(fd, SHUT_WR)),
    socket: (family) => result(c.socket(family, SOCK_STREAM | NON_BLOCKING | CLOSE_ON_EXEC, 0)),
    splice: (from, to, size) => result(c.splice(from, 0n, to, 0n, size, SPLICE_MOVE_NON_BLOCKING)),
    transfer(from, to, buffer, size, flags) {
      const received = result(c.recv(from, buffer, size, 0));
      if (received <= 0) return received;
      const sent = result(c.send(to, buffer, received, MSG_NOSIGNAL | (received < size ? flags : 0)));
      ffi.setInt32(at(buffer, size), 0, sent);
      return received;
    },
    write: (fd, from, size) => result(c.write(fd, from, size)),
  };
}
