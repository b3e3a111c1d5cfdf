export interface ScannedImport {
  readonly line: number;
  /** `undefined` for a specifier that is computed when the program runs. */
  readonly specifier: string | undefined;
}

const WORDS_BEFORE_REGEXP =
  /(?:^|[^\w$.])(?:return|typeof|case|in|of|do|else|void|delete|throw|yield|await)$/;

function blank(text: string): string {
  return text.replaceAll(/[^\n]/g, ' ');
}

/** Whether a slash after `code` starts a regular expression and is no division. */
function startsRegExp(code: string): boolean {
  const before = code.trimEnd();
  return before === '' || /[^\w$)\]}"'`]$/.test(before) || WORDS_BEFORE_REGEXP.test(before);
}

const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/y;
const STRING = /'(?:\\[\s\S]|[^'\\\n])*'|"(?:\\[\s\S]|[^"\\\n])*"/y;
const REGEXP = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y;
const TEMPLATE_PART = /(?:\\[\s\S]|\$(?!\{)|[^`\\$])*(?:`|\$\{|$)/y;

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0];
}

/**
 * The code of a source with comments, regular expressions and the contents of strings blanked, of equal length
 * and with equal lines; what stands between `${` and `}` of a template is code.
 */
export function codeOf(source: string): string {
  let code = '';
  let braces = 0;
  const templates: number[] = [];
  const takeTemplate = () => {
    const part = matchAt(TEMPLATE_PART, source, code.length) ?? '';
    code += blank(part);
    if (part.endsWith('${')) {
      templates.push(braces);
      braces += 1;
    }
  };
  while (code.length < source.length) {
    const char = source[code.length]!;
    const string = matchAt(STRING, source, code.length);
    const comment = matchAt(COMMENT, source, code.length);
    const regExp = char === '/' && comment === undefined && startsRegExp(code);
    if (string !== undefined) {
      code += char + blank(string.slice(1, -1)) + char;
    } else if (comment !== undefined) {
      code += blank(comment);
    } else if (regExp) {
      code += blank(matchAt(REGEXP, source, code.length) ?? char);
    } else if (char === '`') {
      code += ' ';
      takeTemplate();
    } else if (char === '}' && templates.at(-1) === braces - 1) {
      templates.pop();
      braces -= 1;
      code += ' ';
      takeTemplate();
    } else {
      if (char === '{') braces += 1;
      if (char === '}') braces -= 1;
      code += char;
    }
  }
  return code;
}

const IMPORTS = [
  /(?<![.\w$])(?:import|export)\b[\s\w$*{},]*?\bfrom\s*(?<quote>["'])/g,
  /(?<![.\w$])import\s*(?<quote>["'])/g,
  /(?<![.\w$])(?:import|require)\s*\(\s*(?<quote>["']?)/g,
];

/** Every import of a source: values and types, static and dynamic, and what is exported from elsewhere. */
export function importsOf(source: string): readonly ScannedImport[] {
  const code = codeOf(source);
  return IMPORTS.flatMap((pattern) =>
    [...code.matchAll(pattern)].map((match) => {
      const start = match.index + match[0].length;
      const quote = match.groups?.['quote'] ?? '';
      const line = source.slice(0, match.index).split('\n').length;
      return {
        line,
        specifier: quote === '' ? undefined : source.slice(start, source.indexOf(quote, start)),
      };
    }),
  ).toSorted((a, b) => a.line - b.line);
}
