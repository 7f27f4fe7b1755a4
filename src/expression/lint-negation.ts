// Who lacks a claim and is let in by that: every comparison with something missing is false, and turned round it is true.
import { calledName, isBinary, type Node, plainPath, unwrapped } from './ast.ts'
import type { Remark } from './lint.ts'
import { comparedBadly } from './lint-comparisons.ts'
import { show } from './lint-values.ts'

interface Found {
  readonly node: Node
  readonly path: readonly string[]
}
const comparisons = ['=', '!=', 'in', '<', '<=', '>', '>=']
/** Missing, these give nothing: alone under `not` that refuses. */
const orders = ['<', '<=', '>', '>=']

/** Facts whose absence makes the rule hold, once each. Looks where the rule decides, not into filters and functions. */
export function heldByAbsence(root: Node): readonly Found[] {
  const found = new Map<string, Found>()
  for (const one of visit(root, false, false)) {
    const name = one.path.join('.')
    if (!found.has(name)) found.set(name, one)
  }
  return [...found.values()]
}

/** @param isJoined an operand of `and`, `or`: there what is missing counts as false */
function visit(node: Node, isNegated: boolean, isJoined: boolean): readonly Found[] {
  const inner = unwrapped(node)
  if (inner.predicate || inner.group) return []
  if (isBinary(inner, 'and', 'or')) return [inner.lhs, inner.rhs].flatMap((operand) => visit(operand, isNegated, true))
  if (calledName(inner) === 'not') return (inner.arguments ?? []).flatMap((operand) => visit(operand, !isNegated, false))
  if (inner.type === 'condition') return ofCondition(inner, isNegated)
  const last = inner.type === 'block' ? inner.expressions?.at(-1) : undefined
  if (last) return visit(last, isNegated, isJoined)
  const turned = comparedWithBoolean(inner)
  if (turned) return visit(turned.operand, turned.isTurned !== isNegated, false)
  if (!isNegated) return []
  const path = plainPath(inner)
  if (path) return isJoined ? [{ node: inner, path }] : []
  if (!isBinary(inner, ...comparisons) || (isBinary(inner, ...orders) && !isJoined)) return []
  return comparedBadly(inner).length > 0 ? [] : factsOf(inner)
}

const factsOf = (node: Node & { lhs: Node; rhs: Node }): readonly Found[] =>
  [node.lhs, node.rhs].flatMap((side) => {
    const path = plainPath(unwrapped(side))
    return path ? [{ node, path }] : []
  })

const booleanOf = (node: Node | undefined): boolean | undefined =>
  node && unwrapped(node).type === 'value' && typeof unwrapped(node).value === 'boolean'
    ? unwrapped(node).value === true
    : undefined

/** `c ? false : true` turns c round, `c ? true : false` does not. */
function ofCondition({ condition, then, else: other }: Node, isNegated: boolean): readonly Found[] {
  if (!condition) return []
  const [first, second] = [booleanOf(then), booleanOf(other)]
  if (first !== undefined && second === !first) return visit(condition, first === isNegated, false)
  return [then, other].flatMap((branch) => (branch ? visit(branch, isNegated, false) : []))
}

/** `(a = "x") = false`. A fact by itself may be a boolean, and missing it equals neither. */
function comparedWithBoolean(node: Node): { readonly operand: Node; readonly isTurned: boolean } | undefined {
  if (!isBinary(node, '=', '!=')) return undefined
  for (const [operand, other] of [
    [node.lhs, node.rhs],
    [node.rhs, node.lhs],
  ] as const) {
    const value = booleanOf(other)
    if (value !== undefined && !plainPath(unwrapped(operand)))
      return { operand, isTurned: value !== (unwrapped(node).value === '=') }
  }
  return undefined
}

/** `hd ?: true`, `hd ?? true`: made for giving way where something is missing, and here that lets in. */
export function defaultsToTrue(root: Node): readonly Remark[] {
  return conditionsOf(root).flatMap(({ condition, then, else: other }) => {
    const name = then && show(then)
    const asked = condition && (show(condition) ?? show(condition.arguments?.[0] ?? condition))
    if (!then || name === undefined || name !== asked || booleanOf(other) !== true) return []
    return [{ node: then, message: `whoever lacks ${name} is let in by this default`, advice: `write ${name} = true` }]
  })
}

function conditionsOf(root: Node): readonly Node[] {
  const inner = unwrapped(root)
  if (inner.type === 'block') return inner.expressions?.at(-1) ? conditionsOf(inner.expressions.at(-1) as Node) : []
  if (inner.type !== 'condition') return []
  return [inner, ...[inner.then, inner.else].flatMap((branch) => (branch ? conditionsOf(branch) : []))]
}
