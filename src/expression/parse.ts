// Source to syntax tree, with everything refused that must never run: what chance decides, code from data, backtracking.
import jsonata from 'jsonata'
import { parseRange } from '../addresses.ts'
import { adviceFor } from './advice.ts'
import { calledName, depthOf, type Node, positionOf, walk } from './ast.ts'
import { unknownCall } from './called-functions.ts'
import { type Translation, translate } from './dialect.ts'
import { ExpressionError, failureOf, type JsonataFailure } from './errors.ts'
import { compileRegex, LinearRegex } from './regex.ts'

export interface Parsed {
  readonly root: Node
  readonly program: jsonata.Expression
  readonly originOf: Translation['originOf']
}

/** Milliseconds one evaluation may take. */
export const longestEvaluation = 50
const limits = { timeout: longestEvaluation, stack: 1000, sequence: 5000 }
/** Characters. */
const longestSource = 16_384
const deepest = 400
const forbidden = new Map([
  ['eval', 'write the expression itself: text is never run'],
  ['random', 'decide on something that is known, such as account or now'],
  ['shuffle', 'use $sort, or leave the order as it is'],
])

/** Throws ExpressionError, its offset in `source`. */
export function parseExpression(source: string, called = 'the expression'): Parsed {
  if (source.length > longestSource) {
    throw new ExpressionError(`${called} is longer than 16 KiB`, longestSource, 'split it into several rules')
  }
  const { text, originOf } = translate(source)
  const program = compileText(source, text, originOf, called)
  const root = program.ast() as unknown as Node
  const at = (node: Node) => originOf(positionOf(node))
  if (depthOf(root, deepest) >= deepest) throw tooDeep(called)
  for (const node of walk(root)) refuse(node, at)
  const unknown = unknownCall(root)
  if (unknown) {
    throw new ExpressionError(
      `there is no function $${unknown.name}`,
      at(unknown.node),
      'use a function of JSONata, $inCidr or $emailDomain',
    )
  }
  return { root, program, originOf }
}

function compileText(source: string, text: string, originOf: Translation['originOf'], called: string): jsonata.Expression {
  try {
    return jsonata(text, { ...limits, RegexEngine: LinearRegex as unknown as RegExpConstructor })
  } catch (thrown) {
    if (thrown instanceof RangeError) throw tooDeep(called)
    const failure = failureOf(thrown)
    const offset = failure.code === 'S0207' ? source.length : originOf(failure.position ?? 0)
    throw new ExpressionError(describe(failure, called), offset, adviceFor(source, offset, failure.code))
  }
}

const tooDeep = (called: string) =>
  new ExpressionError(`${called} is nested too deeply`, 0, 'use `x in ["a", "b", …]` for long lists of alternatives')

function describe({ code, message, token }: JsonataFailure, called: string): string {
  if (code === 'S0207') return `${called} is empty or ends too early`
  if (code === 'S0201' || code === 'S0211' || code === 'S0204') return `${JSON.stringify(token)} was not expected here`
  if (code === undefined) return `${called} cannot be read`
  return (message ?? `${called} cannot be read`).replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase())
}

function refuse(node: Node, at: (node: Node) => number): void {
  if (node.type === 'variable') {
    const advice = forbidden.get(String(node.value))
    if (advice) throw new ExpressionError(`$${node.value} is not available`, at(node), advice)
  }
  if (node.type === 'regex') refuseRegex(node, at(node))
  if (calledName(node) === 'inCidr') {
    for (const range of (node.arguments ?? []).slice(1)) refuseRange(range, at(range))
  }
}

function refuseRegex({ value }: Node, offset: number): void {
  const advice = 'write it without lookahead, lookbehind and back references: it must match in linear time'
  if (!(value instanceof RegExp)) {
    throw new ExpressionError('a regular expression cannot stand before ?: or ??', offset, 'use a condition: test ? a : b')
  }
  try {
    compileRegex(value)
  } catch {
    throw new ExpressionError('this regular expression is not supported', offset, advice)
  }
}

function refuseRange({ type, value }: Node, offset: number): void {
  if (type !== 'string' || parseRange(String(value))) return
  throw new ExpressionError(
    `${JSON.stringify(value)} is no address or range`,
    offset,
    'write it like "10.0.0.0/8" or "2001:db8::/32"',
  )
}
