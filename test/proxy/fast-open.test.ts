import { describe, expect, it } from 'vitest';
import { checkFastOpen } from '../../src/proxy/epoll/check-fast-open.ts';
import { silentLogger } from '../support/proxy.ts';
import { temporaryFiles } from '../support/temporary-files.ts';

const files = temporaryFiles();

async function warningsOf(queue: number, kernelSwitch: string): Promise<readonly object[]> {
  const warnings: object[] = [];
  const logger = { ...silentLogger, warn: (fields: object) => void warnings.push(fields) };
  checkFastOpen(queue, logger, await files.write(`${kernelSwitch}\n`));
  return warnings;
}

describe('TCP Fast Open', () => {
  it.each(['0', '1'])('is warned of where the kernel has it off for servers (%s)', async (value) => {
    expect(await warningsOf(16, value)).toEqual([
      { setting: 'tcp.fast_open_queue', 'net.ipv4.tcp_fastopen': Number(value) },
    ]);
  });

  it('is not where the kernel has it, or nobody wants it', async () => {
    expect(await warningsOf(16, '3')).toEqual([]);
    expect(await warningsOf(0, '1')).toEqual([]);
  });

  it('finds the switch of this kernel', () => {
    expect(() => checkFastOpen(16, silentLogger)).not.toThrow();
  });
});
