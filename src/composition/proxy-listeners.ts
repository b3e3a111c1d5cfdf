import type { Settings } from '../config/schema.ts';
import { parseListenAddress } from '../config/setting-types.ts';
import type { ListenAddress, ProxyEngine, ProxyListener } from '../domain/ports.ts';

/** Where clients are accepted. */
export interface ProxyAddresses {
  /** Of `listen_addr`. */
  readonly proxy: ListenAddress;
  /** Of `[[routes]]`, in their order. */
  readonly routes: readonly RouteAddress[];
  /** Of `tls.listen_addr`, where TLS is left to backends. */
  readonly tls: ListenAddress | undefined;
}

export interface RouteAddress extends ListenAddress {
  readonly app: string;
}

/** Has an engine listen where the settings want it, and nowhere else. Fails with `ERR_LISTEN`, changing nothing. */
export async function listenAsWanted(
  engine: Pick<ProxyEngine, 'listen'>,
  settings: Settings,
): Promise<ProxyAddresses> {
  const { listen_addr: address, app, routes, tls } = settings;
  const byName = listener('tls.listen_addr', tls.listen_addr);
  const [proxy, ...others] = await engine.listen([
    listener('listen_addr', address, app),
    ...routes.map((route, index) => listener(`routes[${index}].listen_addr`, route.listen_addr, route.app)),
    ...(goesByServerName(settings) ? [{ ...byName, goesByServerName: true as const }] : []),
  ]);
  return {
    proxy: proxy!,
    routes: routes.map((route, index) => ({ ...others[index]!, app: route.app })),
    tls: others[routes.length],
  };
}

/** Whether there is a listener that speaks TLS itself. */
export function terminatesTls({ tls }: Settings): boolean {
  return tls.enabled && tls.mode === 'terminate';
}

/** Whether there is a listener whose clients say by a server name whose backends they are given. */
function goesByServerName({ tls }: Settings): boolean {
  return tls.enabled && tls.mode === 'passthrough';
}

function listener(setting: string, address: string, app?: string): ProxyListener {
  return { setting, address: parseListenAddress(address)!, app };
}
