/** Where the texts of a stream come from: at least one each time, `undefined` at the end. */
export interface EventSourceFeed {
  next(): Promise<readonly string[] | undefined>;
  /** Nobody listens any more. May be called again. */
  close(): void;
}

export interface EventStreamOptions {
  /** Silence after which a comment is sent, so that both sides notice a dead connection. */
  readonly beatMs: number;
  /** The feed failed; the stream ends, and its client may come again. */
  readonly onFailed: (thrown: unknown) => void;
}

const encoder = new TextEncoder();

/** Server-sent events, each of them one line of text: read from the feed only as fast as the client takes them. */
export function eventStream(
  feed: EventSourceFeed,
  { beatMs, onFailed }: EventStreamOptions,
): ReadableStream<Uint8Array> {
  let isReading = false;
  let isOver = false;
  let read: { readonly texts: readonly string[] | undefined } | undefined;
  let wake: (() => void) | undefined;

  async function readOn(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    isReading = true;
    try {
      read = { texts: await feed.next() };
    } catch (thrown) {
      if (!isOver) {
        onFailed(thrown);
        end();
        // Not as an error: the listener would tell the client what it is.
        controller.close();
      }
    }
    isReading = false;
    wake?.();
  }

  function end(): void {
    isOver = true;
    feed.close();
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
        // Failed, or left by its reader, meanwhile: nothing may be added any more.
        if (isOver) return;
        if (read === undefined) return controller.enqueue(encoder.encode(': beat\n\n'));
        const { texts } = read;
        read = undefined;
        if (texts !== undefined) {
          return controller.enqueue(encoder.encode(texts.map((text) => `data: ${text}\n\n`).join('')));
        }
        end();
        return controller.close();
      },
      cancel() {
        end();
        wake?.();
      },
    },
    { highWaterMark: 0 },
  );
}
