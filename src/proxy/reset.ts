import type { Socket } from 'node:net';

/**
 * Ends a socket so that its peer sees a reset: an abort must not look like an orderly end.
 *
 * Not while a FIN of our own is on its way: Node would then answer EINVAL and never close the socket, so the reset
 * waits for it.
 *
 * @param lowest the socket below one that encrypts
 */
export function reset(socket: Socket, lowest = socket): void {
  if (socket.destroyed) return;
  const isFinUnderWay = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (!isFinUnderWay) lowest.resetAndDestroy();
  else socket.once('finish', () => reset(socket, lowest));
}
