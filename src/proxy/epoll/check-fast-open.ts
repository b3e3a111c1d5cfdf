import { readFileSync } from 'node:fs';
import type { Logger } from '../../domain/ports.ts';

const SWITCH = '/proc/sys/net/ipv4/tcp_fastopen';
const SERVERS = 0x2;

/** Warns when the kernel ignores what is set: it says nothing itself. @param path of the switch of the kernel */
export function checkFastOpen(queue: number, logger: Logger, path = SWITCH): void {
  if (queue === 0) return;
  const value = Number(readFileSync(path, 'utf8'));
  if ((value & SERVERS) !== 0) return;
  logger.warn(
    { setting: 'tcp.fast_open_queue', 'net.ipv4.tcp_fastopen': value },
    'TCP Fast Open is off for servers: sysctl -w net.ipv4.tcp_fastopen=3',
  );
}
