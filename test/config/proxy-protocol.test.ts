import { describe, expect, it } from 'vitest';
import { loadSettings } from '../../src/config/load.ts';

const loaded = (env: Record<string, string>) => () => loadSettings(env).settings.proxy_protocol;

describe('the settings of the PROXY protocol', () => {
  it('trust nobody and send nothing when nothing is said', () => {
    expect(loaded({})()).toEqual({ trusted: [], timeout_secs: 5, send: 'off' });
    expect(loaded({ EDGEPROXY_PROXY_PROTOCOL_TRUSTED: '' })().trusted).toEqual([]);
  });

  it('take a list of networks and addresses', () => {
    const trusted = ['10.0.0.0/8', '2001:db8::/32', '127.0.0.1'];
    expect(loaded({ EDGEPROXY_PROXY_PROTOCOL_TRUSTED: trusted.join(', ') })().trusted).toEqual(trusted);
  });

  it.each([
    [
      { EDGEPROXY_PROXY_PROTOCOL_TRUSTED: '10.0.0.0/8,proxy.internal' },
      'EDGEPROXY_PROXY_PROTOCOL_TRUSTED, item 2 = "proxy.internal": is not an IPv4 or IPv6 network: ' +
        'expected one such as 203.0.113.0/24 or 2001:db8::/32',
    ],
    [
      { EDGEPROXY_PROXY_PROTOCOL_TRUSTED: '10.0.0.1/8' },
      'EDGEPROXY_PROXY_PROTOCOL_TRUSTED = "10.0.0.1/8": has bits set after its prefix: the network is 10.0.0.0/8',
    ],
    [
      { EDGEPROXY_PROXY_PROTOCOL_TIMEOUT_SECS: '2' },
      'EDGEPROXY_PROXY_PROTOCOL_TIMEOUT_SECS = 2: expected a whole number from 3 to 2147483',
    ],
    [
      { EDGEPROXY_PROXY_PROTOCOL_SEND: 'v3' },
      'EDGEPROXY_PROXY_PROTOCOL_SEND = "v3": expected one of off, v1, v2',
    ],
  ])('name what is wrong with %j', (env, message) => {
    expect(loaded(env)).toThrow(expect.objectContaining({ code: 'ERR_SETTINGS_INVALID', message }));
  });
});
