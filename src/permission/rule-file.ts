// A rule as a file: the expression, the message in its first comment, and the cases beside it. Reads text, touches no disk.
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import type { Problem } from '../errors.ts'
import { timeTrouble } from '../facts.ts'
import type { Json } from '../types.ts'

export interface RuleFile {
  readonly name: string
  /** For compileExpression. Comments stay in it: they are JSONata. */
  readonly source: string
  /** What a person is told whom the rule refuses. */
  readonly message?: string
  /** Where `source` begins in the file; add it to an error's offset. */
  readonly offset: number
}
/** One line of `NAME.cases.yaml`. */
export interface RuleCase {
  readonly name: string
  /** As given; factsOfCase fills in what is missing. */
  readonly facts: Readonly<Record<string, Json>>
  readonly expect: 'allow' | 'deny'
}

const byteOrderMark = '\ufeff'
const firstComment = /^\s*\/\*([\s\S]*?)\*\//
const messageLine = /^\s*message:\s*([\s\S]*)$/i

/** The text after `message:` may stand on several lines, each with a `*` in front. */
export function readRuleFile(text: string, name: string): RuleFile {
  const offset = text.startsWith(byteOrderMark) ? 1 : 0
  const source = text.slice(offset)
  const message = messageOf(source)
  return { name, source, offset, ...(message && { message }) }
}

function messageOf(source: string): string | undefined {
  const comment = firstComment.exec(source)?.[1]
  const plain = comment
    ?.replace(/^\*+/, '')
    .replace(/^[ \t]*\*+[ \t]?/gm, '')
    .trim()
  return plain && messageLine.exec(plain)?.[1]?.trim().replace(/\s+/g, ' ')
}

/** The cases that could be read, where each begins (1-based), and everything wrong with the others. */
export interface Cases {
  readonly cases: readonly RuleCase[]
  readonly places: readonly { readonly line: number; readonly column: number }[]
  readonly problems: readonly Problem[]
}

export function readCases(text: string, file: string): Cases {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  const cases: RuleCase[] = []
  const places: { line: number; column: number }[] = []
  const problems: Problem[] = []
  const complain = (offset: number, key: string, message: string, advice: string) => {
    const { line, col } = lines.linePos(offset)
    problems.push({ severity: 'error', file, line: Math.max(line, 1), column: Math.max(col, 1), key, message, advice })
  }
  const broken = document.errors[0]
  if (broken) complain(broken.pos[0], '', 'this is no valid YAML', broken.message.split('\n')[0] ?? '')
  else if (!isSeq(document.contents) || document.contents.items.length === 0) {
    complain(0, '', 'there are no cases', 'write a list: - { name: …, facts: { … }, expect: allow }')
  } else {
    for (const [index, item] of document.contents.items.entries()) {
      const read = readCase(item as Node, (offset, key, ...words) =>
        complain(offset, key ? `[${index}].${key}` : `[${index}]`, ...words),
      )
      if (!read) continue
      const { line, col } = lines.linePos(startOf(item))
      cases.push(read)
      places.push({ line, column: col })
    }
  }
  return { cases, places, problems }
}

type Complain = (offset: number, key: string, message: string, advice: string) => void
const startOf = (node: unknown): number => (node as Node | undefined)?.range?.[0] ?? 0

function readCase(item: Node, complain: Complain): RuleCase | undefined {
  if (!isMap(item)) {
    complain(startOf(item), '', 'a case is a map', 'write { name: …, facts: { … }, expect: allow }')
    return undefined
  }
  let isGood = true
  const wrong: Complain = (...words) => {
    isGood = false
    complain(...words)
  }
  for (const { key } of item.items) {
    const name = isScalar(key) ? String(key.value) : ''
    if (!['name', 'facts', 'expect'].includes(name))
      wrong(startOf(key), name, 'this key is not known', 'a case has name, facts and expect')
  }
  const name = item.get('name')
  const expect = item.get('expect')
  const facts = item.get('facts', true) as unknown
  if (typeof name !== 'string' || name === '')
    wrong(startOf(item.get('name', true) ?? item), 'name', 'the case needs a name', 'say what it shows')
  if (expect !== 'allow' && expect !== 'deny')
    wrong(startOf(item.get('expect', true) ?? item), 'expect', 'unknown expectation', 'write allow or deny')
  if (facts !== undefined && !isMap(facts))
    wrong(startOf(facts), 'facts', 'the facts are a map', 'write { hd: company.com }, or {} for none')
  const time = isMap(facts) ? timeTrouble(facts.toJSON() as RuleCase['facts']) : undefined
  if (time && isMap(facts)) wrong(startOf(facts.get(time.key, true)), `facts.${time.key}`, time.message, time.advice)
  return isGood
    ? { name: String(name), expect: expect as RuleCase['expect'], facts: isMap(facts) ? facts.toJSON() : {} }
    : undefined
}
