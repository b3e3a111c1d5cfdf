const MAX_CHARS = 256 * 1024;

/** The last lines of a log, bounded in memory. */
export interface LogTail {
  push(line: string): void;
  /** The newest `lines` lines, oldest first; everything kept when absent. */
  text(lines?: number): string;
}

/** @param maxChars upper bound of the text kept; the newest line is kept whatever its length */
export function createLogTail(maxChars = MAX_CHARS): LogTail {
  let kept: string[] = [];
  let chars = 0;
  return {
    push(line) {
      kept.push(line);
      chars += line.length + 1;
      if (chars <= maxChars) return;
      // Down to half at once, so that a full log does not shift its whole array for every line.
      let first = 0;
      while (chars > maxChars / 2 && first < kept.length - 1) chars -= kept[first++]!.length + 1;
      kept = kept.slice(first);
    },
    text: (lines = kept.length) => (lines === 0 ? '' : kept.slice(-lines).join('\n')),
  };
}
