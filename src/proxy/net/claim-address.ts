import type { AddressInfo } from 'node:net';
import type { ListenAddress } from '../../domain/ports.ts';
import { listenOn } from './listen-on.ts';

/**
 * An address that nobody else has at this moment, for listeners that will share it: a port that another daemon shares,
 * too, would give it a part of the clients. Port 0 becomes a free one. Fails with `ERR_LISTEN`.
 *
 * @param setting gives the address
 */
export async function claimAddress(address: ListenAddress, setting: string): Promise<ListenAddress> {
  const alone = await listenOn({ address, setting, sharesPort: false });
  const { address: host, port } = alone.address() as AddressInfo;
  await new Promise((resolve) => alone.close(resolve));
  return { host, port };
}
