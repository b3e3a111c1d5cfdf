import { expect, it } from 'vitest';
import { Bells } from '../../src/proxy/bells.ts';
import { sharedInts } from '../../src/proxy/shared-columns.ts';
import { until } from '../support/until.ts';

it('a bell that is rung is heard by whoever listens to it, until that ends', async () => {
  const cells = sharedInts(2);
  const [here, there] = [new Bells(cells), new Bells(structuredClone(cells))];
  const heard = [0, 0];
  const ends = heard.map((_, thread) => here.listen(thread, () => heard[thread]!++));
  there.ring(1);
  await until(() => heard[1] === 1, { what: 'the first ring' });
  there.ring(1);
  there.ring(1);
  await until(() => heard[1]! > 1, { what: 'the next ones, once at least' });
  for (const end of ends) end();
  const before = [...heard];
  there.ring(0);
  await new Promise(setImmediate);
  expect([heard, heard[0]]).toEqual([before, 0]);
});
