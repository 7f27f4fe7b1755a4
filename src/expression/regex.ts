// Regular expressions in linear time: jsonata is given this class instead of RegExp, so that no pattern can block the process.
import { RE2JS } from 're2js'
import { EvaluationError } from './errors.ts'

/** Characters one regular expression looks at. Longer text is an error, not a wait. */
const longestSubject = 65_536

const compiled = new WeakMap<RegExp, RE2JS>()

/** Compiles once per literal. Throws where RE2 has no such syntax (lookahead, lookbehind, back references). */
export function compileRegex(literal: RegExp): RE2JS {
  const known = compiled.get(literal)
  if (known) return known
  const flags = (literal.ignoreCase ? RE2JS.CASE_INSENSITIVE : 0) | (literal.multiline ? RE2JS.MULTILINE : 0)
  const regex = RE2JS.compile(RE2JS.translateRegExp(literal.source), flags)
  compiled.set(literal, regex)
  return regex
}

/** As much of RegExp as jsonata uses, always global. */
export class LinearRegex {
  lastIndex = 0
  readonly #regex: RE2JS
  constructor(literal: RegExp) {
    this.#regex = compileRegex(literal)
  }

  exec(text: string): (string[] & { index: number }) | null {
    if (text.length > longestSubject)
      throw new EvaluationError(`the text is too long for a regular expression (over ${longestSubject})`)
    const matcher = this.#regex.matcher(text)
    if (this.lastIndex > text.length || !matcher.find(this.lastIndex)) {
      this.lastIndex = 0
      return null
    }
    this.lastIndex = matcher.end()
    const groups = Array.from({ length: matcher.groupCount() + 1 }, (_, group) => matcher.group(group) ?? undefined)
    return Object.assign(groups as string[], { index: matcher.start() })
  }
}
