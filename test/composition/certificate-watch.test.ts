import { BehaviorSubject } from 'rxjs';
import { expect, it, onTestFinished } from 'vitest';
import { CertificateWatch } from '../../src/composition/certificate-watch.ts';
import { systemNow } from '../../src/composition/system-clock.ts';
import type { TlsIdentity } from '../../src/domain/tls.ts';
import { silentLogger } from '../support/proxy.ts';
import { aFile } from '../support/tls.ts';
import { until } from '../support/until.ts';

const HOUR_MS = 3_600_000;

const IDENTITY: TlsIdentity = {
  pairs: [],
  minVersion: '1.3',
  ciphers: '',
  alpn: [],
  clientAuth: 'off',
  clientCa: undefined,
  ticketKeys: new Uint8Array(48),
};

it('looks at certificates as often as it is said to, from then on', async () => {
  const intervalMs$ = new BehaviorSubject(HOUR_MS);
  let looks = 0;
  const watch = new CertificateWatch({
    initial: IDENTITY,
    paths: [await aFile('edge.crt', '')],
    intervalMs$,
    read: () => Promise.resolve((looks++, IDENTITY)),
    present: () => Promise.reject(new Error('nothing has changed')),
    onRefused: () => {},
    onUnchanged: () => {},
    logger: silentLogger,
    now: systemNow,
  });
  onTestFinished(() => watch.stop());
  await until(() => looks > 0, { what: 'the first look' });
  const before = looks;
  intervalMs$.next(1);
  await until(() => looks > before + 10, { what: 'looks that nothing hints at' });
  expect(before).toBeLessThan(10);
});
