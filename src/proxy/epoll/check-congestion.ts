import { readFileSync } from 'node:fs';
import { EdgeProxyError } from '../../errors.ts';
import { AF } from '../sys/constants.ts';
import type { Sys } from '../sys/sys.ts';
import { errorNameOf, must } from './errno.ts';
import { CongestionControl } from './tuning.ts';

const AVAILABLE = '/proc/sys/net/ipv4/tcp_available_congestion_control';
const ALLOWED = '/proc/sys/net/ipv4/tcp_allowed_congestion_control';

export interface CongestionSettings {
  readonly congestion?: string | undefined;
  readonly backend_congestion?: string | undefined;
}

/**
 * Tries on a socket what is set: a connect would fail to, each one, and say nothing. Fails with `ERR_ENGINE`.
 */
export function checkCongestion(sys: Sys, settings: CongestionSettings): void {
  check(sys, 'tcp.congestion', settings.congestion);
  check(sys, 'tcp.backend_congestion', settings.backend_congestion);
}

function check(sys: Sys, setting: string, name: string | undefined): void {
  if (name === undefined) return;
  const fd = must(sys.socket(AF.INET), 'socket');
  const result = new CongestionControl(sys, name).setOf(fd);
  sys.close(fd);
  if (result >= 0) return;
  const error = errorNameOf(result);
  const advice =
    error === 'EPERM'
      ? `this user may have one of: ${namesIn(ALLOWED)}`
      : `the kernel has: ${namesIn(AVAILABLE)} (others may be modules: modprobe tcp_${name})`;
  throw new EdgeProxyError('ERR_ENGINE', `${setting} = "${name}": ${error}, ${advice}`, { setting });
}

function namesIn(path: string): string {
  return readFileSync(path, 'utf8').trim().replaceAll(' ', ', ');
}
