import { describe, expect, test } from 'vitest';
import { databaseLabel } from '../../../src/adapters/postgres/database-url.ts';
import { EdgeProxyError, messageOf } from '../../../src/errors.ts';

const SECRET = 'hunter2';

describe('the label of a database', () => {
  test.each([
    ['postgres://edgeproxy:hunter2@postgres:5432/edgeproxy', 'postgres:5432/edgeproxy'],
    ['postgresql://edgeproxy:hunter2@db.example.com/edgeproxy', 'db.example.com:5432/edgeproxy'],
    ['POSTGRES://u:hunter2@h:1/d', 'h:1/d'],
    ['postgres://u:hunter2@[::1]:6000/d', '[::1]:6000/d'],
    ['postgres://u:hunter2@h:5432/', 'h:5432/u'],
    ['postgres://u:hunter2@h:5432', 'h:5432/u'],
    ['postgres://u@h/my%20db?sslmode=disable', 'h:5432/my db'],
    ['postgres://u:hunter2%40%2F%3F%23@h/d', 'h:5432/d'],
    ['postgres://u:hunter2@x@h/d', 'h:5432/d'],
    ['postgres://u:hunter2%off@h/d', 'h:5432/d'],
    ['postgres://u:a:hunter2@h/d', 'h:5432/d'],
    ['postgres://u:hunter2@/d?host=/var/run/postgresql', '/var/run/postgresql:5432/d'],
    ['postgres://u@%2Fvar%2Frun%2Fpostgresql/d', '/var/run/postgresql:5432/d'],
    ['postgres:///d?host=h&port=6543&password=hunter2', 'h:6543/d'],
  ])('%s is %s', (url, label) => {
    expect(databaseLabel(url)).toBe(label);
  });

  test.each([
    '',
    'edgeproxy',
    'hunter2@h/d',
    'host=h password=hunter2',
    '"postgres://u:hunter2@h/d"',
    'mysql://u:hunter2@h/d',
    'postgres:u:hunter2@h/d',
    'postgres://u:hunter2/x@h/d',
    'postgres://u:12/hunter2@h/d',
    'postgres://u:12?hunter2@h/d',
    'postgres://u:12#hunter2@h/d',
    'postgres://u:p@ss/hunter2@h/d',
    'postgres://u:hunter2@h/d#fragment',
    'postgres://u:hunter2@h:port/d',
    'postgres://u:hunter2@h:70000/d',
    'postgres://u:hunter2@h1:1,h2:2/d',
    'postgres://u:hunter2@h/d?port=none',
    'postgres://u:hunter2%ff@h/d',
    'postgres://u:hunter2@h/d?sslrootcert=/no/such/file',
    'postgres://u:hunter2@h/d?connect_timeout=10',
    'postgres://u:hunter2@h/d?statement_timeout=0',
    'postgres://u:hunter2@h/d?a=b&query_timeout=0',
  ])('%s is refused by the name of the setting, without the password', (url) => {
    let thrown: unknown;
    try {
      databaseLabel(url);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(EdgeProxyError);
    expect(thrown).toMatchObject({ code: 'ERR_SETTINGS_INVALID' });
    expect(thrown).not.toHaveProperty('cause');
    expect(messageOf(thrown)).toContain('postgres.url');
    expect(messageOf(thrown)).not.toContain(SECRET);
  });
});
