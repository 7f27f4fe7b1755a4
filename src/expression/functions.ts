// The functions beside jsonata's own, and the few of its own that are replaced: `$not` is strict, `$pad`, `$join` and `$distinct` have an end.
import type jsonata from 'jsonata'
import { canonicalAddress, compileRanges } from '../addresses.ts'
import { EvaluationError } from './errors.ts'
import { isFunctionMark, kindOf } from './kinds.ts'

/** Names with a space in them: no expression can spell them. */
export const operandFunction = 'strict operand'
export const boundedFunction = 'bounded text'
export const setTimeFunction = 'set time'
export const nowVariable = 'fact now'

/** Characters a text made by an expression may have. */
const longestText = 65_536
/** Of many parts: the answer of a post-login call may have 1 MiB. */
const longestJoined = 4 * 1024 * 1024
/** Sets of ranges one expression keeps compiled; more than that come from data. */
const keptRanges = 256

export function registerFunctions(registry: Pick<jsonata.Expression, 'registerFunction'>): void {
  registry.registerFunction('not', (value: unknown) => !booleanOf(value, 'not'), '<x-:b>')
  registry.registerFunction(operandFunction, (value: unknown) => (value === undefined ? false : booleanOf(value, 'and/or')))
  registry.registerFunction(boundedFunction, bounded)
  registry.registerFunction('pad', pad, '<s-ns?:s>')
  registry.registerFunction('join', join, '<a<s>s?:s>')
  registry.registerFunction('distinct', distinct, '<x:x>')
  registry.registerFunction('inCidr', createInCidr())
  registry.registerFunction('emailDomain', emailDomain, '<x-:s>')
  // one Date per evaluation, which $now, $millis and $toMillis read
  registry.registerFunction(setTimeFunction, function () {
    const now = this.environment.lookup(nowVariable)
    if (typeof now !== 'number') throw new EvaluationError('the time is not known')
    this.environment.timestamp.setTime(now)
  })
}

function booleanOf(value: unknown, operator: string): boolean {
  if (typeof value === 'boolean') return value
  throw new EvaluationError(`a ${kindOf(value)} stands where \`${operator}\` needs true or false`)
}

function bounded(text: unknown): unknown {
  if (typeof text === 'string' && text.length > longestText)
    throw new EvaluationError(`the text grows over ${longestText} characters`)
  return text
}

/** As jsonata's own, by code points; the built-in one takes seconds and gigabytes for a large width. */
function pad(text: string | undefined, width: number, filler = ' '): string | undefined {
  if (text === undefined) return undefined
  if (!(Math.abs(width) <= longestText)) throw new EvaluationError(`the text grows over ${longestText} characters`)
  const missing = Math.trunc(Math.abs(width)) - [...text].length
  if (missing <= 0) return text
  const padding = Array.from({ length: missing }, (_, index) => [...(filler || ' ')][index % [...(filler || ' ')].length]).join(
    '',
  )
  return width > 0 ? text + padding : padding + text
}

/** As jsonata's own, which puts a long text between thousands of entries before anybody looks at what it made. */
function join(texts: readonly string[] | undefined, separator = ''): string | undefined {
  if (texts === undefined) return undefined
  const length = texts.reduce((sum, text) => sum + text.length + separator.length, 0)
  if (length > longestJoined) throw new EvaluationError(`the text grows over ${longestJoined} characters`)
  return texts.join(separator)
}

/** As jsonata's own, which compares each with each: seconds for a list of some thousand objects. */
function distinct(list: unknown): unknown {
  if (!Array.isArray(list) || list.length <= 1) return list
  const first = new Map<unknown, unknown>()
  for (const item of list) {
    const key = identityOf(item)
    if (!first.has(key)) first.set(key, item)
  }
  // jsonata's mark of a list that is a single value where one entry is left
  return Object.defineProperty([...first.values()], 'sequence', { value: 'sequence' in list && list.sequence === true })
}

/** The same for equal values, and for nothing else. */
const identityOf = (value: unknown): unknown =>
  typeof value !== 'object' || value === null || isFunctionMark(value)
    ? typeof value === 'string'
      ? `"${value}`
      : value
    : JSON.stringify(value, (_name, inner: unknown) =>
        typeof inner === 'object' && inner !== null && !Array.isArray(inner)
          ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
          : inner,
      )

/**
 * `$inCidr(ip, range, …)`: the address lies in one of the ranges (texts or lists of texts). Nothing, instead of false, where
 * the address is not known: `not $inCidr(…)` must not hold for it. Throws where a range is none.
 */
function createInCidr(): (address: unknown, ...ranges: unknown[]) => boolean | undefined {
  const compiled = new Map<string, (address: string) => boolean>()
  return (address, ...ranges) => {
    const known = typeof address === 'string' ? canonicalAddress(address) : undefined
    if (known === undefined) return undefined
    const texts = ranges.flat()
    if (texts.length === 0) throw new EvaluationError('$inCidr needs an address and at least one range')
    const key = texts.join(' ')
    const test = compiled.get(key) ?? compileRanges(texts.map(rangeText))
    if (compiled.size < keptRanges) compiled.set(key, test)
    return test(known)
  }
}

function rangeText(range: unknown): string {
  if (typeof range === 'string') return range
  throw new EvaluationError(`a ${kindOf(range)} stands where $inCidr needs a range`)
}

/**
 * `$emailDomain(text)`: what follows the only `@`, ASCII letters in lower case. Nothing where there is not exactly one `@`
 * with something on both sides (`a@company.com@evil.org`, CVE-2026-40574), or where blanks or control characters stand.
 */
function emailDomain(text: unknown): string | undefined {
  if (typeof text !== 'string' || /[\s\u0000-\u001f\u007f]/.test(text)) return undefined
  const [name, domain, ...rest] = text.split('@')
  if (!name || !domain || rest.length > 0) return undefined
  // not toLowerCase: U+212A (Kelvin sign) would become the letter k
  return domain.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
