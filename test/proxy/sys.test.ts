import { afterEach, describe, expect, it } from 'vitest';
import { SocketAddress } from '../../src/proxy/epoll/socket-address.ts';
import { IpAddress } from '../../src/proxy/ip-address.ts';
import { AF, SOL, TCP } from '../../src/proxy/sys/constants.ts';
import { loadSys, SYS_WAYS } from '../../src/proxy/sys/load-sys.ts';
import { startSilentPort } from '../support/silent-port.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

describe.each(SYS_WAYS)('system calls through %s', (way) => {
  it.each([0, 1] as const)('dial a socket that delays its acknowledgements: %i', async (delaysAcks) => {
    const sys = await loadSys(way);
    // What is set before the connect is seen until it has been answered.
    const silent = await startSilentPort();
    cleanups.push(() => silent.close());
    const address = new SocketAddress(sys);
    address.write(IpAddress.of('127.0.0.1').words, 0, silent.port);
    const fd = sys.dial(AF.INET, address.pointer, address.length, delaysAcks);
    cleanups.push(() => sys.close(fd));
    expect(sys.getOption(fd, SOL.TCP, TCP.QUICKACK)).toBe(1 - delaysAcks);
  });
});

it('throws for what is no number, instead of taking it for zero', async () => {
  const sys = await loadSys('addon');
  const wrong = true as unknown as number;
  expect(() => sys.close(wrong)).toThrow(TypeError);
  expect(() => sys.setOption(1, SOL.TCP, TCP.NODELAY, wrong)).toThrow('system calls take numbers only');
});
