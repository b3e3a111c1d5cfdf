import type { Logger } from '../domain/ports.ts';
import { messageOf } from '../errors.ts';
import type { Proxy } from './proxy-interface.ts';

/** Reads the GeoIP database again: there may be another one at the same path. One that is bad changes nothing. */
export async function rereadGeoFile(proxy: Pick<Proxy, 'rereadGeoFile'>, logger: Logger): Promise<void> {
  try {
    await proxy.rereadGeoFile();
    logger.info({}, 'GeoIP database read');
  } catch (error) {
    logger.error({ error: messageOf(error) }, 'GeoIP database cannot be read, the last one stays');
  }
}
