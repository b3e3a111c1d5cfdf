import { describe, expect, it } from 'vitest';
import { loadSettings } from '../../src/config/load.ts';

const load = (content: string, env = {}) =>
  loadSettings(env, { path: 'edge.toml', content: `[tls]\n${content}` }).settings.tls;

describe('TLS that is left to backends', () => {
  it('has names that lead to apps', () => {
    const content =
      'enabled = true\nmode = "passthrough"\n[tls.server_names]\n"shop.example" = "shop"\n"*.example" = "blog"\n';
    expect(load(content, { EDGEPROXY_TLS_DEFAULT_APP: 'shop' })).toMatchObject({
      enabled: true,
      server_names: { 'shop.example': 'shop', '*.example': 'blog' },
      default_app: 'shop',
      hello_timeout_secs: 5,
    });
  });

  it.each([
    [
      'enabled = true\nmode = "passthrough"',
      'edge.toml:3: tls.mode = "passthrough": expected tls.server_names or tls.default_app beside it',
    ],
    ['mode = "pass"', 'edge.toml:2: tls.mode = "pass": expected one of terminate, passthrough'],
    ['server_names = { "Shop.example" = "x" }', 'expected a host name in lower case such as shop.example'],
    [
      'server_names = { "shop.example" = 7 }',
      'tls.server_names.shop.example = 7: expected the name of an app',
    ],
    ['hello_timeout_secs = 2', 'tls.hello_timeout_secs = 2: expected a whole number from 3'],
  ])('is refused by key: %j', (content, problem) => {
    expect(() => load(content)).toThrow(problem);
  });
});
