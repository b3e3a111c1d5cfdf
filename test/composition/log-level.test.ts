import { describe, expect, it } from 'vitest';
import { type Level, LogLevel } from '../../src/composition/log-level.ts';
import { silentLogger } from '../support/proxy.ts';

function aLevel(setting: Level) {
  const logger = { ...silentLogger, level: setting as string };
  const told: Level[] = [];
  return { logger, told, level: new LogLevel(logger, setting, (next) => void told.push(next)) };
}

describe('the level of the log', () => {
  it('is that of the configuration until somebody sets another one, and again when that is taken back', () => {
    const { logger, told, level } = aLevel('info');
    expect(level.describe()).toEqual({ level: 'info', setting: 'info', isOverridden: false });
    level.override('debug');
    expect([logger.level, level.describe()]).toEqual([
      'debug',
      { level: 'debug', setting: 'info', isOverridden: true },
    ]);
    level.override(undefined);
    expect([logger.level, level.describe().isOverridden]).toEqual(['info', false]);
    expect(told).toEqual(['debug', 'info']);
  });

  it('is that of the configuration again when that says something new', () => {
    const { logger, level } = aLevel('info');
    level.override('debug');
    level.follow('warn');
    expect([logger.level, level.describe()]).toEqual([
      'warn',
      { level: 'warn', setting: 'warn', isOverridden: false },
    ]);
  });
});
