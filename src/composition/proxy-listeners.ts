import type { Settings } from '../config/schema.ts';
import { parseListenAddress } from '../config/setting-types.ts';
import type { ListenAddress, ProxyEngine, ProxyListener } from '../domain/ports.ts';

/** Where clients are accepted. */
export interface ProxyAddresses {
  /** Of `listen_addr`. */
  readonly proxy: ListenAddress;
  /** Of `[[routes]]`, in their order. */
  readonly routes: readonly RouteAddress[];
}

export interface RouteAddress extends ListenAddress {
  readonly app: string;
}

/** Has an engine listen where the settings want it, and nowhere else. Fails with `ERR_LISTEN`, changing nothing. */
export async function listenAsWanted(
  engine: Pick<ProxyEngine, 'listen'>,
  settings: Settings,
): Promise<ProxyAddresses> {
  const { listen_addr: address, app, routes } = settings;
  const [proxy, ...others] = await engine.listen([
    listener('EDGEPROXY_LISTEN_ADDR', address, app),
    ...routes.map((route, index) => listener(`routes[${index}].listen_addr`, route.listen_addr, route.app)),
  ]);
  return { proxy: proxy!, routes: others.map((bound, index) => ({ ...bound, app: routes[index]!.app })) };
}

function listener(setting: string, address: string, app: string | undefined): ProxyListener {
  return { setting, address: parseListenAddress(address)!, app };
}
