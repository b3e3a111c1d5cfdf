import type { Socket } from 'node:net';

/** Called with the number of bytes that have just left for the kernel in one direction. */
export type ByteCounter = (bytes: number) => void;

/**
 * Hands every byte of `source` on to `sink`, and its FIN as a FIN.
 *
 * A sink that does not keep up pauses the source, so at most the two sockets' buffers are held in memory. Bytes
 * count when the kernel has taken them. Errors are not handled here: an abort must never look like a FIN.
 */
export function relay(source: Socket, sink: Socket, count: ByteCounter): void {
  let handedOn = 0;
  let counted = 0;
  const onFlushed = (error?: Error | null): void => {
    if (error) return;
    const flushed = handedOn - sink.writableLength;
    count(flushed - counted);
    counted = flushed;
  };
  source.on('data', (chunk: Buffer) => {
    handedOn += chunk.length;
    if (!sink.write(chunk, onFlushed)) source.pause();
  });
  sink.on('drain', () => source.resume());
  source.on('end', () => sink.end());
  source.resume();
}
