import { onTestFinished } from 'vitest';
import type { InspectionMessage } from '../../src/adapters/inspect/messages.ts';

/** Looks at live actors through the page at this address, and collects what is told, until the running test ends. */
export async function look(pageUrl: string, pattern = '', headers: Readonly<Record<string, string>> = {}) {
  const leaving = new AbortController();
  onTestFinished(() => leaving.abort());
  const response = await fetch(`${pageUrl}/events?pattern=${encodeURIComponent(pattern)}`, {
    headers,
    signal: leaving.signal,
  });
  let text = '';
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true });
  })().catch(() => {});
  return {
    response,
    text: () => text,
    messages: () =>
      text
        .split('\n\n')
        .slice(0, -1)
        .filter((event) => event.startsWith('data: '))
        .map((event) => JSON.parse(event.slice(6)) as InspectionMessage),
    leave: () => leaving.abort(),
    ended: reading,
  };
}
