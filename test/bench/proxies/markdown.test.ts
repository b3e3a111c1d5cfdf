import { expect, test } from 'vitest';
import { benchmarksPage } from './markdown.ts';
import type { Sample } from './measure.ts';
import { summarize } from './results.ts';

const sampleOf = (contestant: string, scenario: string, threads: 1 | 2, cost: number): Sample => ({
  contestant,
  scenario,
  threads,
  cost,
  traffic: { rate: 1 / cost, loadCost: cost },
});

function pageOf(samples: readonly Sample[]): string {
  return benchmarksPage({
    facts: [['CPU', 'one']],
    command: 'npm run bench',
    rounds: 1,
    date: '2026-01-01',
    sections: summarize(samples),
  });
}

test('TLS has a chapter of its own, below those without', () => {
  const page = pageOf([
    sampleOf('haproxy', 'tls-full-rsa', 1, 0.001),
    sampleOf('epoll', 'tls-full-rsa', 1, 0.0015),
    sampleOf('haproxy', 'short', 1, 0.001),
    sampleOf('haproxy', 'short', 2, 0.001),
  ]);
  expect(page.match(/^## .*$/gm)).toEqual(['## One thread', '## Two threads', '## TLS']);
  const [plain = '', tls = ''] = page.split('## TLS');
  expect(tls).toContain('| full handshakes, RSA-2048 | 1.00 | 1.50 |');
  expect(tls).toContain('| edgeproxy epoll, all off | 1500 | 1.50 | 1500..1500 | 0.67 | 0.67 |');
  expect(tls).not.toContain('short connections');
  expect(plain).not.toContain('RSA-2048 |');
});

test('a chapter that nobody took part in is left out', () => {
  expect(pageOf([sampleOf('haproxy', 'short', 2, 0.001)]).match(/^## .*$/gm)).toEqual(['## Two threads']);
});
