import { listenError } from '../../domain/listen-error.ts';
import type { ListenAddress } from '../../domain/ports.ts';
import { IpAddress } from '../ip-address.ts';
import { SO, SOL } from '../sys/constants.ts';
import type { Sys } from '../sys/sys.ts';
import { must } from './errno.ts';
import { SocketAddress } from './socket-address.ts';
import { Tuning, type TuningSettings } from './tuning.ts';

/** Clients that may wait in the queue of a listener. */
export const BACKLOG = 4_096;

export interface BindOptions {
  readonly sys: Sys;
  readonly address: ListenAddress;
  /** Key of the setting that gives the address, for the error when it cannot be bound. */
  readonly addressSetting: string;
  readonly tuning: TuningSettings;
  /** The port is taken by listeners of this daemon, and nobody else's. */
  readonly isOwnPort?: boolean;
}

export interface Listener {
  readonly fd: number;
  readonly address: ListenAddress;
}

/**
 * Binds the listeners of one address, one a thread: the kernel spreads clients over them. Port 0 becomes a free one,
 * the same for all. Fails with `ERR_LISTEN`, also when another process listens there and would share the port.
 */
export function bindListeners(count: number, options: BindOptions): readonly Listener[] {
  const { sys, address, addressSetting, isOwnPort = false } = options;
  const listeners: Listener[] = [];
  try {
    // Alone first: a port that is shared by another daemon would give it half of the clients.
    if (!isOwnPort) sys.close(bindOne(options, address, false).fd);
    while (listeners.length < count) listeners.push(bindOne(options, listeners[0]?.address ?? address, true));
    for (const { fd } of listeners) must(sys.listen(fd, BACKLOG), 'listen');
    return listeners;
  } catch (error) {
    for (const { fd } of listeners) sys.close(fd);
    throw listenError(addressSetting, address, error as Error);
  }
}

function bindOne({ sys, tuning }: BindOptions, { host, port }: ListenAddress, isShared: boolean): Listener {
  const name = new SocketAddress(sys);
  name.write(IpAddress.of(host).words, 0, port, host.includes(':'));
  const fd = must(sys.socket(name.family), 'socket');
  try {
    new Tuning(sys, tuning).ofListener(fd, name.family);
    if (isShared) must(sys.setOption(fd, SOL.SOCKET, SO.REUSEPORT, 1), 'setsockopt SO_REUSEPORT');
    must(sys.bind(fd, name.pointer, name.length), 'bind');
    must(sys.getSocketName(fd, name.pointer), 'getsockname');
    return { fd, address: { host, port: name.port } };
  } catch (error) {
    sys.close(fd);
    throw error;
  }
}
