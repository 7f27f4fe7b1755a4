// Which conditions of a rule its cases have shown true, and which false. Runs the rule as it runs when it decides, with an ear
// at every operand of `and`, `or`, `not` and `?` and at every comparison.
import { calledName, isBinary, leftmostPosition, type Node, positionOf, walk } from './ast.ts'
import { type Expression, expressionOf } from './compile.ts'
import { resultsOf } from './lint-values.ts'
import { parseExpression } from './parse.ts'
import { readsOf } from './reads.ts'
import { tokenize } from './tokens.ts'

export interface Condition {
  /** As it is written. */
  readonly text: string
  /** 0-based in the source as it was written. */
  readonly offset: number
  readonly seen: ReadonlySet<boolean>
}
export interface Covered {
  readonly expression: Expression
  /** In the order of the source; `seen` grows with every evaluation. */
  readonly conditions: readonly Condition[]
}

/** No expression can spell it. */
const ear = 'seen condition'
const comparisons = ['=', '!=', '<', '<=', '>', '>=', 'in']

/** Throws ExpressionError. */
export function compileCovered(source: string): Covered {
  const parsed = parseExpression(source, 'the rule')
  const reads = readsOf(parsed.root)
  const conditions = [...conditionsIn(parsed.root)]
    .map(([node, isNegated]) => ({
      node,
      isNegated,
      offset: parsed.originOf(leftmostPosition(node)),
      text: textOf(node, source, parsed.originOf),
    }))
    .sort((a, b) => a.offset - b.offset)
    .map((one) => ({ ...one, seen: new Set<boolean>() }))
  for (const [index, { node }] of conditions.entries()) listen(node, index)
  parsed.program.registerFunction(ear, (value: unknown, index: number) => {
    const heard = conditions[index]
    // what is missing counts as false under `and` and `or`, and fails under `not`
    if (typeof value === 'boolean' || (value === undefined && !heard?.isNegated)) heard?.seen.add(value === true)
    return value
  })
  return { expression: expressionOf(source, parsed, reads), conditions }
}

/** Share of the outcomes that were seen, 0 to 100. A rule without conditions has nothing to show. */
export function coverageOf(conditions: readonly Condition[]): number {
  const seen = conditions.reduce((sum, condition) => sum + condition.seen.size, 0)
  return conditions.length === 0 ? 100 : Math.floor((seen / (2 * conditions.length)) * 100)
}

/** What stands for itself, and whether a `not` stands before it. `and`, `or` and `not` follow from their operands. */
function conditionsIn(root: Node): ReadonlyMap<Node, boolean> {
  const found = new Map<Node, boolean>()
  const add = (node: Node, isNegated = false) => {
    for (const result of resultsOf(node)) {
      const isJoined = isBinary(result, 'and', 'or') || calledName(result) === 'not'
      if (!isJoined && !isConstant(result)) found.set(result, isNegated)
    }
  }
  add(root)
  for (const node of walk(root)) {
    if (isBinary(node, 'and', 'or')) for (const operand of [node.lhs, node.rhs]) add(operand)
    if (calledName(node) === 'not') for (const operand of node.arguments ?? []) add(operand, true)
    if (node.type === 'condition' && node.condition) add(node.condition)
    if (isBinary(node, ...comparisons) && !found.has(node)) found.set(node, false)
  }
  return found
}

const isConstant = (node: Node): boolean => ['value', 'string', 'number', 'lambda', 'bind'].includes(node.type)

/** In place: whoever refers to the node now hears what it gives. */
function listen(node: Node, index: number): void {
  const inner = { ...node }
  const position = positionOf(node)
  for (const name of Object.keys(node)) delete node[name as keyof Node]
  Object.assign(node, {
    type: 'function',
    value: '(',
    position,
    procedure: { type: 'variable', value: ear, position },
    arguments: [inner, { type: 'number', value: index, position }],
  })
}

const longestText = 80

/** From its first token to its last, and on to the brackets that close what it opens. */
function textOf(node: Node, source: string, originOf: (position: number) => number): string {
  const starts = [...walk(node)].flatMap(({ position }) => (position === undefined ? [] : [originOf(position)]))
  const [first, last] = [Math.min(...starts), Math.max(...starts)]
  let open = 0
  let end = first
  for (const { start, end: behind, text, kind } of tokenize(source)) {
    if (start < first) continue
    if (start > last && open <= 0) break
    if (kind === 'operator' && '([{'.includes(text)) open++
    if (kind === 'operator' && ')]}'.includes(text)) open--
    end = behind
  }
  const text = source.slice(first, end).replace(/\s+/g, ' ')
  return text.length > longestText ? `${text.slice(0, longestText - 1)}…` : text
}
