// Comparisons that cannot be meant: a name where a text belongs, a list with a text, alternatives that are always true.
import { isBinary, type Node, plainPath, unwrapped } from './ast.ts'
import type { Remark } from './lint.ts'
import { isKnownName, neverBoolean, show } from './lint-values.ts'

export function comparedBadly(node: Node): readonly Remark[] {
  if (!isBinary(node, '=', '!=', 'in')) return []
  const operator = String(node.value)
  return [...withoutQuotes(node, operator), ...listWithText(node, operator), ...withNull(node, operator)]
}

/** `hd = company.com` compares two facts; `hd = my-company.com` subtracts. */
function withoutQuotes(node: Node & { lhs: Node; rhs: Node }, operator: string): readonly Remark[] {
  const [left, right] = [plainPath(unwrapped(node.lhs)), plainPath(unwrapped(node.rhs))]
  const sides =
    operator === 'in'
      ? [{ side: node.lhs, path: left, other: right }]
      : [
          { side: node.rhs, path: right, other: left },
          { side: node.lhs, path: left, other: right },
        ]
  for (const { side, path, other } of sides) {
    if (path && other && !isKnownName(path[0] ?? '')) {
      const text = path.join('.')
      return [{ node: side, message: `${text} without quotes is the name of a fact, not a text`, advice: `write "${text}"` }]
    }
    const sum = unwrapped(side)
    if (
      other &&
      isBinary(sum, '-', '/') &&
      [sum.lhs, sum.rhs].every((part) => plainPath(unwrapped(part)) || isBinary(part, '-', '/'))
    ) {
      const message = sum.value === '-' ? 'without quotes this subtracts two facts' : 'without quotes this divides two facts'
      return [{ node: side, message, advice: 'put the text in quotes' }]
    }
  }
  return []
}

function listWithText(node: Node & { lhs: Node; rhs: Node }, operator: string): readonly Remark[] {
  if (operator === 'in') return isList(node.lhs) ? [listRemark(node, operator, node.lhs, node.rhs)] : []
  for (const [list, text] of [
    [node.lhs, node.rhs],
    [node.rhs, node.lhs],
  ] as const) {
    const other = neverBoolean(text)
    if (isList(list) && (other === 'text' || other === 'number')) return [listRemark(node, operator, list, text)]
  }
  return []
}

/** Surely: a function that gives lists gives a text where there is one entry only. */
const isList = (node: Node): boolean =>
  neverBoolean(node) === 'list' && (show(node) !== undefined || unwrapped(node).type === 'unary')

function listRemark(node: Node, operator: string, list: Node, other: Node): Remark {
  const isUnequal = operator === '!='
  const meant = (text: string) => `write ${isUnequal ? `not (${text})` : text}`
  const name = show(list)
  const message = `${name ?? 'this'} is a list: the comparison is always ${isUnequal}`
  if (name !== undefined)
    return { node, message, advice: meant(`${unwrapped(other).type === 'string' ? show(other) : '"NAME"'} in ${name}`) }
  const member = show(other)
  const hasAdvice = member !== undefined && operator !== 'in'
  return { node, message, advice: hasAdvice ? meant(`${member} in [ … ]`) : 'ask whether one value is `in` the list' }
}

const nullable = new Set(['account', 'client_ip'])

function withNull(node: Node & { lhs: Node; rhs: Node }, operator: string): readonly Remark[] {
  if (operator !== '=') return []
  for (const [fact, value] of [
    [node.lhs, node.rhs],
    [node.rhs, node.lhs],
  ] as const) {
    const path = plainPath(unwrapped(fact))?.join('.')
    if (path === undefined || nullable.has(path) || neverBoolean(value) !== 'null') continue
    return [{ node, message: 'a missing fact is not null: this is false for it', advice: `write not $exists(${path})` }]
  }
  return []
}

/** `a != "x" or a != "y"` lets everybody in who has an a; `a = "x" and a = "y"` nobody. */
export function alwaysTheSame(nodes: readonly Node[]): readonly Remark[] {
  const seen = new Set<Node>()
  return nodes.flatMap((node) => {
    const operator = isBinary(node, 'or', 'and') && !seen.has(node) ? String(node.value) : undefined
    if (operator === undefined) return []
    const found = contradiction(operandsOf(node, operator, seen), operator === 'or' ? '!=' : '=')
    return found ? remark(operator, found) : []
  })
}

function operandsOf(node: Node, operator: string, seen: Set<Node>): readonly Node[] {
  const inner = unwrapped(node)
  if (!isBinary(inner, operator)) return [inner]
  seen.add(inner)
  return [...operandsOf(inner.lhs, operator, seen), ...operandsOf(inner.rhs, operator, seen)]
}

interface Comparison {
  readonly node: Node
  readonly path: string
  readonly text: string
  /** As it would be written. */
  readonly shown: string
}
/** Comparisons of one fact with different texts, at least two. */
function contradiction(operands: readonly Node[], operator: string): readonly Comparison[] | undefined {
  const comparisons = operands.flatMap((operand) => comparisonOf(operand, operator))
  const ofOneFact = [...Map.groupBy(comparisons, ({ path }) => path).values()]
  return ofOneFact.find((group) => new Set(group.map(({ text }) => text)).size > 1)
}

function comparisonOf(node: Node, operator: string): readonly Comparison[] {
  if (!isBinary(node, operator)) return []
  const [left, right] = plainPath(unwrapped(node.lhs)) ? [node.lhs, node.rhs] : [node.rhs, node.lhs]
  const [path, text] = [show(left), show(right)]
  if (path === undefined || text === undefined || plainPath(unwrapped(right))) return []
  return [{ node, path, text, shown: `${path} ${operator} ${text}` }]
}

function remark(operator: string, comparisons: readonly Comparison[]): Remark[] {
  const node = comparisons[0]?.node
  if (!node) return []
  const joined = (by: string) => comparisons.map(({ shown }) => shown).join(` ${by} `)
  if (operator === 'and') return [{ node, message: `\`${joined('and')}\` is never true`, advice: `write (${joined('or')})` }]
  return [{ node, message: `\`${joined('or')}\` is always true: nothing is equal to both`, advice: `write (${joined('and')})` }]
}
