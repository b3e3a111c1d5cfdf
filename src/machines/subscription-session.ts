import { fromCallback, type AnyEventObject } from 'xstate';
import type { OpenSubscription } from '../domain/backend-source.ts';

/** What the statechart asks of its session. */
export type SessionCommand =
  | { readonly type: 'BEAT'; readonly timeoutMs: number }
  | { readonly type: 'CLOSE' };

/** What the session reports to the statechart. */
export type SessionReport =
  | { readonly type: 'LISTENING' }
  | { readonly type: 'NOTIFIED' }
  | { readonly type: 'BEAT_PASSED' }
  | { readonly type: 'BEAT_FAILED'; readonly error: Error }
  | { readonly type: 'SESSION_LOST'; readonly error: Error }
  | { readonly type: 'SESSION_CLOSED' };

const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });

/**
 * The actor `session` of the subscription statechart: one session from start to stop, in commands and reports.
 *
 * Stopping the actor closes the session, also one that is still being opened.
 */
export function sessionActor(open: OpenSubscription) {
  return fromCallback<AnyEventObject & SessionCommand>(({ sendBack, receive }) => {
    const report = (event: SessionReport): void => sendBack(event);
    const unwanted = new AbortController();
    const opening = (async () =>
      open(
        {
          onNotified: () => report({ type: 'NOTIFIED' }),
          onLost: (error) => report({ type: 'SESSION_LOST', error }),
        },
        unwanted.signal,
      ))();
    opening.then(
      () => report({ type: 'LISTENING' }),
      (thrown: unknown) => report({ type: 'SESSION_LOST', error: asError(thrown) }),
    );

    const close = async (): Promise<void> => {
      unwanted.abort();
      const [opened] = await Promise.allSettled([opening]);
      if (opened.status === 'fulfilled') await opened.value.close();
      report({ type: 'SESSION_CLOSED' });
    };
    const beat = async (timeoutMs: number): Promise<void> => {
      try {
        await (await opening).beat(timeoutMs);
        report({ type: 'BEAT_PASSED' });
      } catch (thrown) {
        report({ type: 'BEAT_FAILED', error: asError(thrown) });
      }
    };

    receive((command) => {
      if (command.type === 'BEAT') void beat(command.timeoutMs);
      else void close();
    });
    return () => void close();
  });
}
