import type { Logger } from '../../domain/ports.ts';
import { messageOf } from '../../errors.ts';
import type { GuardedContext, GuardedRoute } from './guarded-app.ts';
import { eventStream, type EventSourceFeed } from './event-stream.ts';
import { inspectPageRoutes } from './inspect-page.ts';

/** Whoever can show the live actors. */
export interface ActorInspector {
  names(pattern: string): { readonly names: readonly string[]; readonly leftOut: number };
  open(pattern: string): EventSourceFeed;
  /** `undefined` for an id that the feeds did not name. */
  chart(chartId: string): Promise<object> | undefined;
}

export interface InspectRoutesOptions {
  readonly inspector: ActorInspector;
  readonly logger: Logger;
  /** Page of the Stately inspector, `undefined` for none. Default: the public one. */
  readonly inspectorUrl?: URL | undefined;
  /** Streams at one time. Default 8. */
  readonly maxStreams?: number;
  /** Silence after which a stream sends a beat. Default 15 s. */
  readonly beatMs?: number;
}

/** The page that `@statelyai/inspect` opens by default. */
export const STATELY_INSPECTOR_URL = new URL('https://stately.ai/inspect');

const MAX_PATTERN = 200;

/** What people type: the page is at one address. */
const ROUNDABOUT_PATHS = ['/', '/inspect/'];

/** The pattern of a request; `undefined` when it is too long to be one. */
function patternOf(context: GuardedContext): string | undefined {
  const pattern = context.req.query('pattern') ?? '';
  return pattern.length > MAX_PATTERN ? undefined : pattern;
}

const refuse = (context: GuardedContext): Response =>
  context.text(`expected a pattern of at most ${MAX_PATTERN} characters\n`, 400);

/**
 * `/inspect` (the page), `/inspect/actors` (names), `/inspect/events` (what happens, as server-sent events),
 * `/inspect/charts/ID` (a drawn machine).
 */
export async function inspectRoutes(options: InspectRoutesOptions): Promise<readonly GuardedRoute[]> {
  const { inspector, logger, maxStreams = 8, beatMs = 15_000 } = options;
  const inspectorUrl = 'inspectorUrl' in options ? options.inspectorUrl : STATELY_INSPECTOR_URL;
  let streams = 0;

  function open(pattern: string): EventSourceFeed {
    const feed = inspector.open(pattern);
    let isOpen = true;
    streams += 1;
    return {
      next: () => feed.next(),
      close() {
        if (isOpen) streams -= 1;
        isOpen = false;
        feed.close();
      },
    };
  }

  const onFailed = (thrown: unknown): void =>
    logger.error({ error: messageOf(thrown) }, 'stream of live actors failed');

  return [
    ...(await inspectPageRoutes(inspectorUrl)),
    ...ROUNDABOUT_PATHS.map((path): GuardedRoute => ({
      method: 'GET',
      path,
      access: 'page',
      handle: (context) => context.redirect('/inspect'),
    })),
    {
      method: 'GET',
      path: '/inspect/actors',
      access: 'read',
      handle(context) {
        const pattern = patternOf(context);
        return pattern === undefined ? refuse(context) : context.json(inspector.names(pattern));
      },
    },
    {
      method: 'GET',
      path: '/inspect/charts/:id',
      access: 'read',
      async handle(context) {
        const chart = await inspector.chart(context.req.param('id') ?? '');
        return chart === undefined ? context.text('no such chart\n', 404) : context.json(chart);
      },
    },
    {
      method: 'GET',
      path: '/inspect/events',
      access: 'read',
      handle(context) {
        const pattern = patternOf(context);
        if (pattern === undefined) return refuse(context);
        if (streams >= maxStreams)
          return context.text('as many look already as may\n', 503, { 'retry-after': '5' });
        // A HEAD has no body that could be cancelled.
        if (context.req.method === 'HEAD')
          return context.body(null, 200, { 'content-type': 'text/event-stream' });
        return context.body(eventStream(open(pattern), { beatMs, onFailed }), 200, {
          'content-type': 'text/event-stream',
        });
      },
    },
  ];
}
