/** Where the texts of a stream come from: at least one each time, `undefined` at the end. */
export interface EventSourceFeed {
  next(): Promise<readonly string[] | undefined>;
  /** Nobody listens any more. May be called again. */
  close(): void;
}

const encoder = new TextEncoder();

/**
 * Server-sent events, each of them one line of text: read from the feed only as fast as the client takes them.
 *
 * @param beatMs silence after which a comment is sent, so that both sides notice a dead connection
 */
export function eventStream(feed: EventSourceFeed, beatMs: number): ReadableStream<Uint8Array> {
  let isReading = false;
  let read: { readonly texts: readonly string[] | undefined } | undefined;
  let wake: (() => void) | undefined;

  async function readOn(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    isReading = true;
    try {
      read = { texts: await feed.next() };
    } catch (thrown) {
      feed.close();
      controller.error(thrown);
    }
    isReading = false;
    wake?.();
  }

  /** Resolves when something is read, and after a silence. */
  async function wait(): Promise<void> {
    await new Promise<void>((resolve) => {
      const beat = setTimeout(resolve, beatMs);
      wake = () => {
        clearTimeout(beat);
        resolve();
      };
    });
    wake = undefined;
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (read === undefined && !isReading) void readOn(controller);
        if (read === undefined) await wait();
        if (read === undefined) return controller.enqueue(encoder.encode(': beat\n\n'));
        const { texts } = read;
        read = undefined;
        if (texts !== undefined) {
          return controller.enqueue(encoder.encode(texts.map((text) => `data: ${text}\n\n`).join('')));
        }
        feed.close();
        return controller.close();
      },
      cancel() {
        feed.close();
      },
    },
    { highWaterMark: 0 },
  );
}
