import { describe, expect, it } from 'vitest';
import { RowSwitch } from '../../../src/adapters/postgres/backend-switch.ts';
import { INSERT_BACKEND, SEED_SCHEMA, testDatabase, testPool, urlOfRole } from './helpers.ts';

/** A table of the seed with one backend. */
async function aTable() {
  const database = await testDatabase();
  await database.query(SEED_SCHEMA);
  await database.query(INSERT_BACKEND, ['a']);
  const healthy = async () =>
    (await database.query('SELECT healthy FROM backends ORDER BY id'))[0]!['healthy'];
  return { database, healthy };
}

describe('the switch of a row', () => {
  it('turns a backend off and on, and changes nothing twice', async () => {
    const { database, healthy } = await aTable();
    const row = new RowSwitch(testPool(database.url));
    expect(await row.turn('a', true)).toBe('unchanged');
    expect([await row.turn('a', false), await healthy()]).toEqual(['changed', 0]);
    expect(await row.turn('a', false)).toBe('unchanged');
    expect([await row.turn('a', true), await healthy()]).toEqual(['changed', 1]);
  });

  it('knows a column of yes and no, too', async () => {
    const { database, healthy } = await aTable();
    await database.query(`
      DROP INDEX idx_backends_healthy;
      ALTER TABLE backends ALTER healthy DROP DEFAULT, ALTER healthy TYPE BOOLEAN USING healthy <> 0`);
    const row = new RowSwitch(testPool(database.url));
    expect([await row.turn('a', false), await healthy()]).toEqual(['changed', false]);
    expect([await row.turn('a', true), await healthy()]).toEqual(['changed', true]);
  });

  it('knows no row that is not there, marked as deleted, or of a name that is no text', async () => {
    const { database, healthy } = await aTable();
    const row = new RowSwitch(testPool(database.url));
    for (const id of ['b', '', '\0', 'a\0', "a' OR '1'='1", '\u{1f600}'])
      expect([id, await row.turn(id, false)]).toEqual([id, 'unknown']);
    await database.query('UPDATE backends SET deleted = 1');
    expect(await row.turn('a', false)).toBe('unknown');
    expect(await healthy()).toBe(1);
  });

  it('needs the privilege for one column, and says which', async () => {
    const { database } = await aTable();
    const reader = await urlOfRole(database, ['GRANT SELECT ON backends TO ROLE']);
    const refused = new RowSwitch(testPool(reader)).turn('a', false);
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_POSTGRES_SCHEMA',
      message: expect.stringContaining('GRANT UPDATE (healthy) ON backends TO it') as string,
    });
    const role = new URL(reader).username;
    await database.query(`GRANT UPDATE (healthy) ON backends TO ${role}`);
    expect(await new RowSwitch(testPool(reader)).turn('a', false)).toBe('changed');
  });
});
