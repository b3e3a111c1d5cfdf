/** What is shown instead of what is probably secret. */
export const MASK = '***';

const SECRET_PART =
  /passw|passphrase|passcode|secret|token|credential|authorization|cookie|bearer|apikey|privatekey|accesskey|signingkey|signature/;
const SECRET_WORD: ReadonlySet<string> = new Set(['pass', 'pwd', 'auth', 'key', 'pem', 'dsn', 'sig']);

/** Whether what stands under this key is probably not for everybody's eyes. */
export function looksSecret(key: string): boolean {
  const lower = key.toLowerCase();
  return SECRET_WORD.has(lower) || SECRET_PART.test(lower.replaceAll(/[^a-z0-9]/g, ''));
}

/** The user and password of a URL, whatever is in it: nobody encodes a password in a log line. */
const USER_OF_URL = /:\/\/(?:[^\s"'<>/@:]*:[^"'<>\r\n]*|[^\s"'<>]*)@/g;

/** The values of a query; which of them are secret only its server knows. */
const QUERY_VALUE = /([?&][^\s=&"'<>#?]{1,100}=)[^\s&"'<>#]*/g;

const SCHEME = String.raw`(?:(?:basic|bearer|digest|negotiate)\s+)?`;

/** Between a name and its value, in headers, assignments and JSON, also where its quotes are escaped. */
const SEPARATOR = String.raw`\\*["']?\s*[=:][\s[{(]*`;

const QUOTED = String.raw`"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|\\+["'][^"']*["']?`;

/** Headers that are secret to the end of their line. */
const HEADER = new RegExp(
  String.raw`\b((?:proxy-)?authorization|(?:set-)?cookie)(${SEPARATOR})(?:${QUOTED}|(${SCHEME})[^\r\n]+)`,
  'gi',
);

const NAMED = new RegExp(
  String.raw`\b([\w-]{0,40}(?:passw(?:or)?d|passphrase|passcode|pwd|secret|token|credential|signature|(?:api|private|access|signing)[-_]?key)[\w-]{0,40}${SEPARATOR})(?:${QUOTED}|[^\s&;,"']+)`,
  'gi',
);

/** Short names are words of the language, too: secret only where the text is a field of JSON, or an assignment. */
const SHORT_NAMED = new RegExp(
  String.raw`((?:\b(?:pass|auth|key|pem|dsn|sig)=)|(?:["'](?:pass|auth|key|pem|dsn|sig)\\*["']\s*:\s*))(?:${QUOTED}|[^\s&;,"'}]+)`,
  'gi',
);

const BEARER = /\bbearer\s+[^\s"',;]+/gi;

/** With something in it that no word of the language has. */
const BASIC = /\b(?:[Bb]asic|BASIC)\s+(?=\S*[A-Z0-9=])[\w+/=-]{6,}/g;

/** Text with what is commonly secret in it masked: users in URLs, queries, credentials, cookies, `password=…`. */
export function maskText(text: string): string {
  return text
    .replaceAll(USER_OF_URL, `://${MASK}@`)
    .replaceAll(QUERY_VALUE, `$1${MASK}`)
    .replaceAll(
      HEADER,
      (_, name: string, separator: string, scheme = '') => `${name}${separator}${scheme}${MASK}`,
    )
    .replaceAll(BEARER, `Bearer ${MASK}`)
    .replaceAll(BASIC, `Basic ${MASK}`)
    .replaceAll(NAMED, `$1${MASK}`)
    .replaceAll(SHORT_NAMED, `$1${MASK}`);
}
