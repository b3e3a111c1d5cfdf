/** How to read the figures; printed below them. */
export const METHOD: readonly string[] = [
  'In every round each proxy is started anew with an origin of its own, and takes all scenarios; the order of the proxies rotates. Figures are medians over the rounds, ratios those to HAProxy with as many threads: below 1 is cheaper, and for rates slower.',
  'CPU is user and kernel time of all threads of the proxy between the beginning and the end of the measured part, which a warm-up precedes. The work that the kernel does for a packet counts to whoever sends it.',
  'On one thread the proxy has a CPU of its own (all its threads, garbage collection and compilers included), clients and origin have another one. On two threads it has two; where the machine has no third one, clients and origin share the second, so rates on two threads say little there.',
  'Rates are what came through in the same time. Where "CPU of the load" (clients and origin together) is more than that of the proxy, the load sets the rate.',
  'HAProxy: mode tcp, nbthread, leastconn, splice-auto. nginx: stream, one worker a thread, reuseport, least_conn. 60 s timeouts, no log, buffers as they come (16 KiB) unless the name says otherwise. Everybody has the three ports of the origin as backends.',
  'edgeproxy, all off: no breaker, health check, limit, affinity, metrics, geography. All on: breakers, TCP checks every 2 s, soft and hard limits, a rate limit that refuses nobody, affinity, networks with countries, and metrics that are read once a second. The epoll engine talks to the kernel itself, the net engine through the sockets of Node.',
  'Short connections: connect, 64 bytes there, 128 bytes back; the origin closes first. Kept connections: the same exchange, one after the other on each. Idle connections: growth of the proportional set size over connections that have had one exchange; buffers of the kernel do not count. Start: from the start of the program to the first answer of the origin through it.',
  'The load generator checks every reply, the number of all bytes, and the content of one read in sixteen of bulk; anything wrong fails the benchmark.',
];
