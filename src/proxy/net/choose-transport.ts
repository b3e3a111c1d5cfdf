import type { Server } from 'node:net';
import type { Logger } from '../../domain/ports.ts';
import { HandleTransport, serverHandleOf } from './handle-transport.ts';
import { findHandles } from './handles.ts';
import { StreamTransport } from './stream-wire.ts';
import type { Transport } from './wire.ts';

/** The faster transport, where this Node has what it needs. @param server one that listens */
export function chooseTransport(server: Server, logger: Logger): Transport {
  const handles = findHandles();
  const reason =
    'reason' in handles
      ? handles.reason
      : serverHandleOf(server) === undefined && 'the handle of a server accepts in another way';
  if (!('reason' in handles) && reason === false) return new HandleTransport(handles);
  logger.warn({ reason }, 'the portable engine relays by streams, which costs more');
  return new StreamTransport();
}
