import { constants } from 'node:os';
import { describe, expect, it, onTestFinished } from 'vitest';
import { bindListeners } from '../../src/proxy/epoll/bind-listener.ts';
import { SocketAddress } from '../../src/proxy/epoll/socket-address.ts';
import { SynFilter } from '../../src/proxy/epoll/syn-filter.ts';
import { IpAddress } from '../../src/proxy/ip-address.ts';
import { loadSys, type SysWay } from '../../src/proxy/sys/load-sys.ts';

const TUNING = {
  clientCongestion: undefined,
  backendCongestion: undefined,
  delaysAcks: false,
  noDelay: true,
  deferAcceptSecs: 0,
  fastOpenQueue: 0,
  keepAliveSecs: 60,
};
const { EAGAIN } = constants.errno;

describe.runIf(process.platform === 'linux').each<SysWay>(['addon', 'ffi'])(
  'a filter of SYNs, by %s',
  (way) => {
    it.each(['127.0.0.1', '::1'])(
      'keeps clients from coming, and those who have come stay (%s)',
      async (host) => {
        const sys = await loadSys(way);
        const [listener] = bindListeners(1, {
          sys,
          address: { host, port: 0 },
          addressSetting: 'EDGEPROXY_LISTEN_ADDR',
          tuning: TUNING,
        });
        const fds = [listener!.fd];
        onTestFinished(() => fds.forEach((fd) => sys.close(fd)));
        const name = new SocketAddress(sys);
        const word = new TextEncoder().encode('word');
        const connect = (): (() => number) => {
          name.write(IpAddress.of(host).words, 0, listener!.address.port, host.includes(':'));
          const fd = sys.dial(name.family, name.pointer, name.length, 0);
          fds.push(fd);
          return () => sys.send(fd, sys.addressOf(word.buffer), 0, word.length, 0);
        };
        const accept = (): number => {
          const fd = sys.accept(listener!.fd, name.pointer);
          if (fd >= 0) fds.push(fd);
          return fd;
        };
        const waiting = connect();
        expect(new SynFilter(sys).attach(listener!.fd)).toBe(0);
        const late = connect();
        expect([waiting(), late()]).toEqual([word.length, -EAGAIN]);
        const accepted = accept();
        expect(accepted).toBeGreaterThan(0);
        expect(accept()).toBe(-EAGAIN);
        const into = new ArrayBuffer(16);
        expect(sys.recv(accepted, sys.addressOf(into), into.byteLength)).toBe(word.length);
      },
    );
  },
);
