// The simple dialect, as rules are written elsewhere: `==`, `not X`, None, True and False become JSONata. Knows tokens only.
// `not` binds as in Python: looser than a comparison, tighter than `and`.
import { type Token, tokenize } from './tokens.ts'

export interface Translation {
  /** JSONata. */
  readonly text: string
  /** From a position jsonata names (the end of a token in `text`) to the start of that token in the original. */
  originOf(position: number): number
}

const words = new Map([
  ['None', 'null'],
  ['True', 'true'],
  ['False', 'false'],
])
/** What ends the operand of a `not`, beside a closing bracket and the end. */
const boundaries = new Set([',', ';', ':', '?', ':=', '..', '|'])
const closing = new Set([')', ']', '}'])
const opening = new Set(['(', '[', '{'])

/** Rewrites what is no JSONata. Text that is JSONata already comes back unchanged. */
export function translate(source: string): Translation {
  const tokens = tokenize(source)
  const anchors: { readonly end: number; readonly start: number }[] = []
  /** Per open bracket: how many `$not(` wait for their end. */
  const waiting = [0]
  let text = ''
  let copied = 0
  const close = () => {
    text += ')'.repeat(waiting[waiting.length - 1] ?? 0)
    waiting[waiting.length - 1] = 0
  }
  for (const [index, token] of tokens.entries()) {
    if (endsOperand(token)) close()
    text += source.slice(copied, token.start)
    copied = token.end
    const isNot = isNotKeyword(token, tokens, index)
    if (isNot) anchors.push({ end: text.length + 4, start: token.start })
    text += isNot ? '$not(' : replacementFor(token, tokens[index - 1])
    anchors.push({ end: text.length, start: token.start })
    if (isNot) waiting[waiting.length - 1] = (waiting[waiting.length - 1] ?? 0) + 1
    else if (isOperator(token, opening)) waiting.push(0)
    else if (isOperator(token, closing) && waiting.length > 1) waiting.pop()
  }
  close()
  text += source.slice(copied)
  const originOf = (position: number) => anchors.find((anchor) => anchor.end >= position)?.start ?? source.length
  return { text, originOf }
}

const isOperator = ({ kind, text }: Token, set: ReadonlySet<string>): boolean => kind === 'operator' && set.has(text)

function endsOperand(token: Token): boolean {
  if (token.kind === 'name') return !token.first && (token.text === 'and' || token.text === 'or')
  return isOperator(token, closing) || isOperator(token, boundaries)
}

function replacementFor(token: Token, before: Token | undefined): string {
  if (token.kind === 'operator' && token.text === '==') return '= '
  const isValue = token.kind === 'name' && token.first && !(before?.kind === 'operator' && before.text === '.')
  return (isValue && words.get(token.text)) || token.text
}

/** A claim may be called `not`: it is the operator only where an operand may begin and another one follows. */
export function isNotKeyword(token: Token, tokens: readonly Token[], index: number): boolean {
  if (token.kind !== 'name' || token.text !== 'not' || !token.first) return false
  const before = tokens[index - 1]
  if (before?.kind === 'operator' && before.text === '.') return false
  const next = tokens[index + 1]
  if (!next) return false
  if (next.kind === 'operator') return next.text === '('
  return next.kind !== 'regex' && !(next.kind === 'name' && ['and', 'or', 'in'].includes(next.text))
}
