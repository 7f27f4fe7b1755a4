// What to write instead, where jsonata cannot read an expression. Looks at the text around the place, nothing else.

const hints: readonly { readonly pattern: RegExp; readonly advice: string }[] = [
  { pattern: /&&/, advice: 'write `and` instead of &&' },
  { pattern: /\|\|/, advice: 'write `or` instead of ||' },
  { pattern: /={3}|!==/, advice: 'write = or != with as few signs' },
  { pattern: /!(?!=)/, advice: 'write `not` instead of !' },
  { pattern: /:=/, advice: '= compares; := sets a variable, whose name begins with $' },
  { pattern: /\b(?:AND|OR|NOT|IN)\b/, advice: 'write and, or, not, in with small letters' },
  { pattern: /\bnot\s+in\b/, advice: 'write `not (a in b)`' },
  { pattern: /\bis\b/, advice: 'write = instead of `is`' },
  { pattern: /[\u2018-\u201f]/, advice: 'use straight quotes, " or \'' },
  { pattern: /\w@\w/, advice: 'put the text in quotes: "name@company.com"' },
]

const byCode = new Map([
  ['S0101', 'close the text with the quote it began with'],
  ['S0105', 'close the name with a backquote'],
  ['S0106', 'close the comment with */'],
  ['S0302', 'close the regular expression with /, or put the text in quotes'],
  ['S0207', 'write an expression, such as: hd = "company.com"'],
  ['S0203', 'close what was opened'],
])

/** @param offset 0-based, where the complaint is */
export function adviceFor(source: string, offset: number, code: string | undefined): string {
  const known = code && byCode.get(code)
  if (known) return known
  const around = source.slice(Math.max(0, offset - 8), offset + 8)
  return hints.find(({ pattern }) => pattern.test(around))?.advice ?? 'compare with =, put text in quotes, join with and, or, not'
}
