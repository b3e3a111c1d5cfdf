/** A part of an ordered list: who comes behind `after`, `limit` at most. */
export interface PageQuery {
  /** What a page before has given as `next`; absent for the first one. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** `next` asks for the rest; `null` at the end. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next: string | null;
}
