// What an expression says that nobody can have meant. Warnings for `check`; nothing here decides anything.
import { calledName, isBinary, leftmostPosition, type Node, plainPath, unwrapped, walk } from './ast.ts'
import { ExpressionError } from './errors.ts'
import { remarksOnCases, type Shown } from './lint-cases.ts'
import { alwaysTheSame, comparedBadly } from './lint-comparisons.ts'
import { type Known, neverHeld } from './lint-literals.ts'
import { defaultsToTrue } from './lint-negation.ts'
import { invisible, matchedLoosely } from './lint-text.ts'
import { neverBoolean, resultsOf, show } from './lint-values.ts'
import { parseExpression } from './parse.ts'
import { readsOf } from './reads.ts'

export interface Finding {
  /** 0-based in the source as it was written. */
  readonly offset: number
  readonly message: string
  readonly advice: string
}
/** A finding before its place is known in the original source. */
export interface Remark {
  readonly node: Node
  readonly message: string
  readonly advice: string
}

/**
 * Warnings on a rule, in the order of the source. None where it cannot be compiled: that is an error of its own.
 * @param cases what they leave open or get wrong is warned about, too
 * @param known where there is a configuration: names that it does not have are warned about
 */
export function lintRule(source: string, cases: readonly Shown[] = [], known?: Known): readonly Finding[] {
  try {
    const { root, originOf } = parseExpression(source)
    const remarks = [...remarksOn(root), ...neverHeld(root, known), ...remarksOnCases(root, cases)]
    const findings = remarks.map(({ node, message, advice }) => ({ offset: originOf(leftmostPosition(node)), message, advice }))
    return findings.sort((a, b) => a.offset - b.offset)
  } catch (error) {
    if (error instanceof ExpressionError) return []
    throw error
  }
}

function remarksOn(root: Node): readonly Remark[] {
  const nodes = [...walk(root)]
  return [
    ...resultsOf(root).flatMap((node, _index, all) => badResult(node, all.length === 1)),
    ...defaultsToTrue(root),
    ...nodes.flatMap(badOperands),
    ...nodes.flatMap(comparedBadly),
    ...alwaysTheSame(nodes),
    ...nodes.flatMap(matchedLoosely),
    ...nodes.flatMap(invisible),
    ...nodes.flatMap(castCondition),
    ...constant(root),
  ]
}

/** @param isOnly the rule gives this, whoever asks */
function badResult(node: Node, isOnly: boolean): readonly Remark[] {
  if (node.type === 'bind') {
    return [
      { node, message: ':= sets a variable, it compares nothing', advice: 'compare with =, or end the block with a condition' },
    ]
  }
  const kind = neverBoolean(node)
  if (kind === undefined) return []
  return [
    {
      node,
      message: `the rule gives a ${kind}, which is never true: it refuses ${isOnly ? 'everybody' : 'whomever it comes to here'}`,
      advice: 'compare it with something',
    },
  ]
}

function badOperands(node: Node): readonly Remark[] {
  if (calledName(node) === 'not') return (node.arguments ?? []).flatMap((operand) => badOperand(operand, 'not'))
  if (!isBinary(node, 'and', 'or')) return []
  const advice = alternatives(operandsOf(node.lhs, String(node.value)), node.rhs)
  return [...badOperand(node.lhs, String(node.value)), ...badOperand(node.rhs, String(node.value), advice)]
}

const operandsOf = (node: Node, operator: string): readonly Node[] =>
  isBinary(node, operator) ? [...operandsOf(node.lhs, operator), node.rhs] : [node]

/** `hd = "x" or hd = "y" or "z"` means `hd in ["x", "y", "z"]`. */
function alternatives(before: readonly Node[], other: Node): string | undefined {
  const compared = before.filter((operand): operand is Node & { lhs: Node; rhs: Node } => isBinary(operand, '='))
  const [path] = compared.map(({ lhs }) => show(lhs))
  if (path === undefined || other.type !== 'string') return undefined
  const texts = compared.filter(({ lhs }) => show(lhs) === path).flatMap(({ rhs }) => show(rhs) ?? [])
  return `write ${path} in [${[...texts, show(other)].join(', ')}]`
}

function badOperand(node: Node, operator: string, advice = 'compare it with something'): readonly Remark[] {
  const kind = neverBoolean(node)
  if (kind === undefined) return []
  return [{ node, message: `a ${kind} is no condition: where \`${operator}\` meets it, the rule fails and refuses`, advice }]
}

function castCondition(node: Node): readonly Remark[] {
  if (calledName(node) === 'boolean') {
    const name = node.arguments?.[0] && plainPath(unwrapped(node.arguments[0]))?.join('.')
    const message = '$boolean takes any text for true, "false" too'
    return name === undefined ? [] : [{ node, message, advice: `write ${name} = true` }]
  }
  if (node.type !== 'condition' || !node.condition || !node.then) return []
  const path = plainPath(unwrapped(node.condition))
  const text = path?.join('.')
  if (text === undefined || text === show(node.then) || ['is_system', 'is_client_ip_private'].includes(text)) return []
  return [
    { node: node.condition, message: 'before ? any text counts as true, "false" too', advice: `write ${text} = true ? … : …` },
  ]
}

function constant(root: Node): readonly Remark[] {
  const { everything, facts, time } = readsOf(root)
  if (everything || facts.size > 0 || time || unwrapped(root).type === 'value' || resultsOf(root).some(neverBoolean)) return []
  return [
    {
      node: root,
      message: 'the rule reads no fact: it says the same of everybody',
      advice: 'name a fact, such as account, groups or a claim',
    },
  ]
}
