/** First words of the statements that begin, end or divide a transaction. */
const CONTROLLING = /^(abort|begin|commit|end|release|rollback|savepoint|start|prepare transaction)$/;

/** What may stand before and between words: space, comments, and empty statements. */
const GAP = /^(?:[\s;]+|--[^\r\n]*)/;

/** How a statement controls its transaction, such as `COMMIT`; `undefined` for one that does not. */
export function transactionWordsOf(statement: string): string | undefined {
  const first = wordAt(afterGaps(statement));
  const rest = afterGaps(afterGaps(statement).slice(first.length));
  const words = first.toLowerCase() === 'prepare' ? `${first} ${wordAt(rest)}` : first;
  return CONTROLLING.test(words.toLowerCase()) ? words.toUpperCase() : undefined;
}

function wordAt(text: string): string {
  return /^[\w$]*/.exec(text)![0];
}

function afterGaps(text: string): string {
  const length = text.startsWith('/*') ? commentLength(text) : (GAP.exec(text)?.[0].length ?? 0);
  return length === 0 ? text : afterGaps(text.slice(length));
}

/** Comments of PostgreSQL hold others. */
function commentLength(text: string): number {
  let depth = 0;
  for (const { 0: mark, index } of text.matchAll(/\/\*|\*\//g)) {
    depth += mark === '/*' ? 1 : -1;
    if (depth === 0) return index + mark.length;
  }
  return text.length;
}
