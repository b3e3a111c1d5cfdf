/** Characters of RFC 6750, section 2.1, and long enough not to be guessed. */
export const BEARER_TOKEN = /^[\w.~+/-]{20,}=*$/;

/** What such a token is, in words that follow "expected". */
export const BEARER_TOKEN_RULE = 'at least 20 letters, digits or -._~+/ in one line';
