interface Incomplete {
  readonly kind: 'incomplete';
  /** Of the connection; with fewer it is not looked at again. */
  readonly neededBytes: number;
}

interface Malformed {
  readonly kind: 'malformed';
  /** Goes on after what it is that is malformed. */
  readonly problem: string;
}

/** What the first bytes of a connection are, as far as they have come. */
export type ParsedStart<Start extends { readonly kind: string }> = Start | Incomplete | Malformed;

export function isMalformed(parsed: { readonly kind: string }): parsed is Malformed {
  return parsed.kind === 'malformed';
}

export function isIncomplete(parsed: { readonly kind: string }): parsed is Incomplete {
  return parsed.kind === 'incomplete';
}
