/** Numbers of Linux; the same on x86-64 and arm64 unless said otherwise. Source: the headers of glibc. */

export const AF = { INET: 2, INET6: 10 } as const;

export const EPOLL = {
  ADD: 1,
  DELETE: 2,
  MODIFY: 3,
  IN: 0x1,
  /** Urgent data: the mark in the stream has not been read past yet. */
  URGENT: 0x2,
  OUT: 0x4,
  ERROR: 0x8,
  /** Both directions are over. */
  HANG_UP: 0x10,
  /** The peer has sent its FIN. */
  READ_HANG_UP: 0x2000,
  EDGE: 0x8000_0000,
} as const;

/** Layout of `struct epoll_event` in 32-bit words; it is packed on x86-64 only. */
export const EPOLL_EVENT =
  process.arch === 'x64'
    ? { words: 3, descriptor: 1, generation: 2 }
    : { words: 4, descriptor: 2, generation: 3 };

export const SOL = { SOCKET: 1, TCP: 6, IPV6: 41 } as const;

export const SO = {
  REUSEADDR: 2,
  ERROR: 4,
  KEEPALIVE: 9,
  LINGER: 13,
  REUSEPORT: 15,
  RCVLOWAT: 18,
  ATTACH_FILTER: 26,
} as const;

export const TCP = {
  NODELAY: 1,
  KEEPIDLE: 4,
  DEFER_ACCEPT: 9,
  QUICKACK: 12,
  CONGESTION: 13,
  FASTOPEN: 23,
} as const;

export const IPV6_V6ONLY = 26;

/** More is about to be sent: the last segment may wait for it. */
export const MSG_MORE = 0x8000;
