import { readFile } from 'node:fs/promises';
import type { GuardedRoute } from './guarded-app.ts';

/** The same depth below the root for the sources and for the published build. */
const ASSETS = new URL('../../../assets/inspect/', import.meta.url);

const PAGE = 'page.html';

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  [PAGE]: 'text/html; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'icon.svg': 'image/svg+xml',
  'page.js': 'text/javascript; charset=utf-8',
  'actor-list.js': 'text/javascript; charset=utf-8',
  'chart.js': 'text/javascript; charset=utf-8',
  'dom.js': 'text/javascript; charset=utf-8',
  'drawings.js': 'text/javascript; charset=utf-8',
  'events.js': 'text/javascript; charset=utf-8',
  'stately.js': 'text/javascript; charset=utf-8',
  'store.js': 'text/javascript; charset=utf-8',
  'stream.js': 'text/javascript; charset=utf-8',
};

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** What the page may load and embed: itself, and the inspector in a frame. */
function contentSecurityPolicy(inspectorUrl: URL | undefined): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    `frame-src ${inspectorUrl?.origin ?? "'none'"}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/**
 * The routes of the page that shows live statecharts. Its files are read once; none of them holds a secret.
 *
 * @param inspectorUrl page of the Stately inspector, loaded when somebody asks for it; `undefined` for none
 */
export async function inspectPageRoutes(inspectorUrl: URL | undefined): Promise<readonly GuardedRoute[]> {
  const policy = contentSecurityPolicy(inspectorUrl);
  return Promise.all(
    Object.entries(CONTENT_TYPES).map(async ([name, contentType]): Promise<GuardedRoute> => {
      const file = await readFile(new URL(name, ASSETS), 'utf8');
      const isPage = name === PAGE;
      const body = isPage ? file.replace('{{inspectorUrl}}', escapeHtml(inspectorUrl?.href ?? '')) : file;
      return {
        method: 'GET',
        path: isPage ? '/inspect' : `/inspect/${name}`,
        access: 'page',
        handle: (context) =>
          context.body(body, 200, { 'content-type': contentType, 'content-security-policy': policy }),
      };
    }),
  );
}
