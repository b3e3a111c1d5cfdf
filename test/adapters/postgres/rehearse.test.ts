import { Client } from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { rehearse } from '../../../src/adapters/postgres/rehearse.ts';
import { initializeSettings } from '../../../src/adapters/postgres/settings-table.ts';
import { SEED_SCHEMA, testDatabase, testPool } from './helpers.ts';

const ROW = `INSERT INTO backends (id, app, region, country, wg_ip, port)
  VALUES ('new', 'web', 'sa', 'BR', '10.50.1.1', 8080)`;

async function aSession({ url }: { readonly url: string }) {
  const client = new Client({ connectionString: url });
  await client.connect();
  onTestFinished(() => client.end());
  return { client };
}

/** A database without a backend, and a session that rehearses in it. */
async function aRehearsal() {
  const database = await testDatabase();
  await database.query(SEED_SCHEMA);
  await database.query(`CREATE PROCEDURE add() LANGUAGE plpgsql AS $$ BEGIN ${ROW}; COMMIT; END $$`);
  await initializeSettings(testPool(database.url));
  const { client } = await aSession(database);
  /** All that is left in the database. */
  const left = async () => [
    ...(await database.query('SELECT id FROM backends')),
    ...(await database.query('SELECT gid FROM pg_prepared_xacts WHERE database = current_database()')),
  ];
  return { run: (statement: string) => rehearse(client, statement), left };
}

describe('a rehearsal', () => {
  it('reads what the tables would hold, and takes it back', async () => {
    const { run, left } = await aRehearsal();
    expect((await run(ROW)).backendRows).toMatchObject([{ id: 'new' }]);
    expect(await left()).toEqual([]);
  });

  it.each([
    ['COMMIT', 'COMMIT'],
    ['commit and chain', 'COMMIT'],
    ['END WORK', 'END'],
    ['ROLLBACK AND CHAIN', 'ROLLBACK'],
    ['abort', 'ABORT'],
    ['BEGIN', 'BEGIN'],
    ['START TRANSACTION', 'START'],
    ['SAVEPOINT a', 'SAVEPOINT'],
    ['RELEASE a', 'RELEASE'],
    [`PREPARE /* a /* b */ */ TRANSACTION 'left'`, 'PREPARE TRANSACTION'],
    [`; -- first\n /* COMMIT; */ Commit`, 'COMMIT'],
    [`COMMIT PREPARED 'left'`, 'COMMIT'],
  ])('refuses what controls its transaction: %j', async (statement, words) => {
    const { run, left } = await aRehearsal();
    await expect(run(statement)).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: `${words}: expected one statement that changes rows; it is tried in a transaction that is always taken back`,
    });
    expect(await left()).toEqual([]);
  });

  it.each([
    [`${ROW}; COMMIT`],
    [`COMMENT ON TABLE backends IS 'a'; ${ROW}; COMMIT AND CHAIN`],
    [`${ROW}; PREPARE TRANSACTION 'left'`],
  ])('refuses several statements: case %#', async (statement) => {
    const { run, left } = await aRehearsal();
    await expect(run(statement)).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: 'expected one statement, these are several: none has been run',
    });
    expect(await left()).toEqual([]);
  });

  it.each([
    [`DO $$ BEGIN ${ROW}; COMMIT; END $$`, 'invalid transaction termination'],
    [`DO $$ BEGIN ${ROW}; ROLLBACK; END $$`, 'invalid transaction termination'],
    ['CALL add()', 'invalid transaction termination'],
    [`DO $$ BEGIN ${ROW}; EXECUTE 'COMMIT'; END $$`, 'EXECUTE of transaction commands is not implemented'],
    [`WITH one AS (${ROW} RETURNING 1) SELECT 1 / 0 FROM one`, 'division by zero'],
  ])('leaves nothing of what the server refuses: case %#', async (statement, message) => {
    const { run, left } = await aRehearsal();
    await expect(run(statement)).rejects.toThrow(message);
    expect(await left()).toEqual([]);
  });

  it.each([
    ['DROP TABLE backends', 'backends in the search path', 'backends'],
    ['ALTER TABLE backends RENAME TO others', 'backends in the search path', 'backends'],
    ['DROP TABLE edgeproxy.settings', 'edgeproxy.settings that may be read', 'settings'],
    ['ALTER TABLE edgeproxy.settings RENAME TO others', 'edgeproxy.settings that may be read', 'settings'],
    ['DROP SCHEMA edgeproxy CASCADE', 'edgeproxy.settings that may be read', 'settings'],
  ])('says what becomes of daemons when a table would go: %s', async (statement, gone, kept) => {
    const { run } = await aRehearsal();
    await expect(run(statement)).rejects.toMatchObject({
      code: 'ERR_POSTGRES_SCHEMA',
      message: `after the statement there would be no table ${gone}: a running daemon would keep the ${kept} that it knows`,
    });
    await expect(run('SELECT 1')).resolves.toMatchObject({ backendRows: [], settingRows: [] });
  });

  it('says that there is no table where none has been before', async () => {
    const { client } = await aSession(await testDatabase());
    await expect(rehearse(client, 'SELECT 1')).rejects.toMatchObject({
      code: 'ERR_POSTGRES_SCHEMA',
      message: 'there is no table backends, or not in the search path',
    });
  });

  it('takes what only begins alike', async () => {
    const { run } = await aRehearsal();
    await expect(run('PREPARE transactions AS SELECT 1')).resolves.toMatchObject({ backendRows: [] });
    await expect(run('/* COMMIT */ SELECT 1')).resolves.toMatchObject({ backendRows: [] });
    await expect(run('commits')).rejects.toThrow('syntax error');
  });
});
