import { expect, it } from 'vitest';
import { FLAG } from '../../src/proxy/epoll/socket-table.ts';

it('the table of sockets has a bit of its own for each flag', () => {
  const flags = Object.entries(FLAG);
  const shared = flags.filter(([name, bits]) =>
    flags.some(([other, theirs]) => other !== name && (bits & theirs) !== 0),
  );
  expect(shared).toEqual([]);
});
