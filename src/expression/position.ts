// From an offset in a text to what an editor shows.

/** 1-based line and column (UTF-16 units) of a 0-based offset; behind the end is the end. */
export function lineAndColumn(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, Math.max(0, offset))
  const lineStart = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: before.length - lineStart + 1 }
}
