// Which part of an expression decided. The source is cut at `and`, `or` and `not`, and each part evaluated by itself: for a
// person who reads an explanation. The value of the whole never comes from here.
import type { Facts, Json } from '../types.ts'
import { compileExpression } from './compile.ts'
import { isNotKeyword } from './dialect.ts'
import { type Token, tokenize } from './tokens.ts'

/** A part that decided, with what it gives. Neither `value` nor `error`: it gives nothing. */
export interface Decisive {
  /** As it was written. */
  readonly source: string
  /** 0-based in the whole source. */
  readonly offset: number
  readonly value?: Json
  readonly error?: string
}

interface Part {
  readonly source: string
  readonly offset: number
  readonly joined?: 'and' | 'or' | 'not'
  readonly parts: readonly Part[]
}

/** Evaluations one explanation may cost. */
const most = 100
/** What binds looser than `and` and `or`: nothing with one of these is cut. */
const looser = new Set(['?', ':', '?:', '??', ':=', ';', ',', '|'])
const opening = new Set(['(', '[', '{'])
const closing = new Set([')', ']', '}'])

/** Of `a and b` the first that is not true, of `or` every one that is not; of what holds, what made it hold. Never rejects. */
export async function decisiveParts(source: string, facts: Facts): Promise<readonly Decisive[]> {
  const whole = cut(source, tokenize(source))
  let left = most
  const known = new Map<Part, Decisive>()
  const ask = async (part: Part): Promise<Decisive> => {
    const asked = known.get(part)
    if (asked) return asked
    const { offset } = part
    const given = left-- > 0 ? await evaluated(part.source, facts) : { error: 'not looked at: the rule has too many parts' }
    const answer = { source: part.source, offset, ...given }
    known.set(part, answer)
    return answer
  }
  return decide(whole, ask)
}

async function evaluated(source: string, facts: Facts): Promise<{ readonly value?: Json; readonly error?: string }> {
  try {
    const value = await compileExpression(source, 'rule').evaluate(facts)
    return value === undefined ? {} : { value }
  } catch (error) {
    return { error: error instanceof Error ? error.message : 'it cannot be evaluated' }
  }
}

type Ask = (part: Part) => Promise<Decisive>

async function decide(part: Part, ask: Ask): Promise<readonly Decisive[]> {
  if (part.joined === undefined) return [await ask(part)]
  if (part.joined === 'not') return part.parts[0] ? decide(part.parts[0], ask) : [await ask(part)]
  const neutral = part.joined === 'and'
  for (const one of part.parts) {
    const answer = await ask(one)
    const value = answer.value ?? (answer.error === undefined ? false : undefined)
    if (value !== neutral) return decide(one, ask)
  }
  const all: Decisive[] = []
  for (const one of part.parts) all.push(...(await decide(one, ask)))
  return all
}

function cut(source: string, given: readonly Token[]): Part {
  const first = given[0]
  const last = given.at(-1)
  if (!first || !last) return { source, offset: 0, parts: [] }
  const own = { source: source.slice(first.start, last.end), offset: first.start }
  const tokens = withoutBrackets(given)
  const outside = atTop(tokens)
  if (outside.some(({ kind, text }) => kind === 'operator' && looser.has(text))) return { ...own, parts: [] }
  for (const word of ['or', 'and'] as const) {
    const at = outside.filter((token) => token.kind === 'name' && !token.first && token.text === word)
    if (at.length > 0) return { ...own, joined: word, parts: split(tokens, at).map((piece) => cut(source, piece)) }
  }
  const denied = operandOfNot(tokens)
  if (denied) return { ...own, joined: 'not', parts: [cut(source, denied)] }
  return { ...own, parts: [] }
}

function split(tokens: readonly Token[], at: readonly Token[]): readonly (readonly Token[])[] {
  const borders = [-1, ...at.map((token) => tokens.indexOf(token)), tokens.length]
  return borders.slice(1).map((end, index) => tokens.slice((borders[index] ?? -1) + 1, end))
}

function operandOfNot(tokens: readonly Token[]): readonly Token[] | undefined {
  const [first] = tokens
  if (first && isNotKeyword(first, tokens, 0)) return tokens.slice(1)
  const isCall = first?.kind === 'variable' && first.text === '$not' && isGroup(tokens.slice(1))
  return isCall && tokens.length > 3 ? tokens.slice(2, -1) : undefined
}

function withoutBrackets(tokens: readonly Token[]): readonly Token[] {
  let inner = tokens
  while (inner.length > 2 && isGroup(inner)) inner = inner.slice(1, -1)
  return inner
}

/** One pair of parentheses around all of it. */
function isGroup(tokens: readonly Token[]): boolean {
  if (tokens[0]?.kind !== 'operator' || tokens[0].text !== '(') return false
  let depth = 0
  for (const [index, { kind, text }] of tokens.entries()) {
    if (kind !== 'operator') continue
    if (opening.has(text)) depth++
    if (closing.has(text) && --depth === 0) return index === tokens.length - 1
  }
  return false
}

function atTop(tokens: readonly Token[]): readonly Token[] {
  let depth = 0
  return tokens.filter(({ kind, text }) => {
    if (kind !== 'operator') return depth === 0
    if (closing.has(text)) depth--
    const isTop = depth === 0
    if (opening.has(text)) depth++
    return isTop
  })
}
