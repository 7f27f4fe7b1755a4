// Cuts an expression into the tokens jsonata will see, so that the dialect is rewritten nowhere inside a text, a comment or a
// regular expression. Follows jsonata's own tokenizer; it never throws: what is broken is left for jsonata to complain about.

export interface Token {
  readonly kind: 'name' | 'quoted' | 'variable' | 'string' | 'number' | 'regex' | 'operator'
  readonly text: string
  /** 0-based; `end` is behind the last character. */
  readonly start: number
  readonly end: number
  /** An operand may begin here. */
  readonly first: boolean
}

const blank = /[ \t\n\r\v]/
const operators = ['==', '..', ':=', '!=', '>=', '<=', '**', '~>', '?:', '??']
const stops = new Set('.[]{}(),@#;:?+-*/%|=<>^&!~')
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[Ee][-+]?[0-9]+)?/y
const wordOperators = new Set(['and', 'or', 'in'])
const wildcards = new Set(['*', '**', '%'])

export function tokenize(source: string): readonly Token[] {
  const tokens: Token[] = []
  let at = skipBlanks(source, 0)
  let first = true
  while (at < source.length) {
    const token = tokenAt(source, at, first)
    tokens.push(token)
    first = isFirstAfter(token)
    at = skipBlanks(source, token.end)
  }
  return tokens
}

function skipBlanks(source: string, from: number): number {
  let at = from
  for (;;) {
    while (at < source.length && blank.test(source.charAt(at))) at++
    if (!source.startsWith('/*', at)) return at
    const close = source.indexOf('*/', at + 2)
    at = close < 0 ? source.length : close + 2
  }
}

function isFirstAfter({ kind, text, first }: Token): boolean {
  if (kind === 'name' && wordOperators.has(text)) return !first
  if (kind === 'name' && text === 'not') return first
  if (kind !== 'operator') return false
  if (text === ')' || text === ']' || text === '}') return false
  return !(first && wildcards.has(text))
}

function tokenAt(source: string, start: number, first: boolean): Token {
  const kind = kindAt(source, start, first)
  const end = Math.min(Math.max(endOf(source, start, kind), start + 1), source.length)
  return { kind, text: source.slice(start, end), start, end, first }
}

function kindAt(source: string, at: number, first: boolean): Token['kind'] {
  const character = source.charAt(at)
  if (character === '/' && first) return 'regex'
  if (stops.has(character)) return 'operator'
  if (character === '"' || character === "'") return 'string'
  if (character === '`') return 'quoted'
  if (/[0-9]/.test(character)) return 'number'
  return character === '$' ? 'variable' : 'name'
}

function endOf(source: string, start: number, kind: Token['kind']): number {
  if (kind === 'operator') return start + (operators.includes(source.slice(start, start + 2)) ? 2 : 1)
  if (kind === 'string') return endOfString(source, start)
  if (kind === 'quoted') return orEnd(source, source.indexOf('`', start + 1) + 1)
  if (kind === 'regex') return endOfRegex(source, start)
  if (kind === 'number') {
    number.lastIndex = start
    return number.test(source) ? number.lastIndex : start + 1
  }
  let at = start
  while (at < source.length && !blank.test(source.charAt(at)) && !stops.has(source.charAt(at))) at++
  return at
}

const orEnd = (source: string, end: number): number => (end > 0 ? end : source.length)

function endOfString(source: string, start: number): number {
  for (let at = start + 1; at < source.length; at++) {
    if (source.charAt(at) === '\\') at++
    else if (source.charAt(at) === source.charAt(start)) return at + 1
  }
  return source.length
}

/** A `/` closes unless it is escaped or stands inside brackets, exactly as jsonata counts them. */
function endOfRegex(source: string, start: number): number {
  let depth = 0
  for (let at = start + 1; at < source.length; at++) {
    const character = source.charAt(at)
    const isEscaped = source.charAt(at - 1) === '\\'
    if (character === '/' && depth === 0 && !isEscapedOddly(source, at)) {
      const flags = /^[im]*/.exec(source.slice(at + 1))
      return at + 1 + (flags?.[0].length ?? 0)
    }
    if ('([{'.includes(character) && !isEscaped) depth++
    if (')]}'.includes(character) && !isEscaped) depth--
  }
  return source.length
}

function isEscapedOddly(source: string, at: number): boolean {
  let backslashes = 0
  while (source.charAt(at - 1 - backslashes) === '\\') backslashes++
  return backslashes % 2 === 1
}
