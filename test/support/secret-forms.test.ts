import { expect, it } from 'vitest';
import { secretForms } from './secret-forms.ts';

const SECRET = 'canary/of+a ä password?';

const isFound = (text: string): boolean => secretForms(SECRET).some((form) => text.includes(form));

it.each([
  ['as it is', `postgres://user:${SECRET}@host`],
  ['in a URL', `x=${encodeURIComponent(SECRET)}&y=1`],
  ['as the user information of a URL', 'postgres://user:canary%2Fof+a%20%C3%A4%20password%3F@host'],
  ...['', 'a', 'ab', 'abc', 'user:'].map((before) => [
    `in base64 behind "${before}"`,
    Buffer.from(`${before}${SECRET} and more`).toString('base64'),
  ]),
  ['in base64 for URLs', Buffer.from(`user:${SECRET}`).toString('base64url')],
])('a secret is found %s', (_, text) => {
  expect(isFound(text)).toBe(true);
});

it('a secret is not found where it is not', () => {
  expect(isFound('canary of a password')).toBe(false);
});
