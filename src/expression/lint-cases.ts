// What the cases of a rule leave open or get wrong: claims nobody shows, lists where a text is expected, people who lack a
// claim under `!=`, claims that a name of ours hides.
import type { Json } from '../types.ts'
import { calledName, isBinary, isPlainName, type Node, plainPath, unwrapped, walk } from './ast.ts'
import type { Remark } from './lint.ts'
import { alwaysTheSame } from './lint-comparisons.ts'
import { heldByAbsence } from './lint-negation.ts'
import { show } from './lint-values.ts'
import { readsOf, reservedNames } from './reads.ts'

type Values = Readonly<Record<string, Json>>
export interface Shown {
  readonly facts: Values
}

const isMap = (value: Json | undefined): value is Values => typeof value === 'object' && value !== null && !Array.isArray(value)

export function remarksOnCases(root: Node, cases: readonly Shown[]): readonly Remark[] {
  const nodes = [...walk(root)]
  // where the comparisons themselves are a mistake, this is not the one to mend first
  const missing = alwaysTheSame(nodes).length > 0 ? [] : lacking(nodes, cases)
  return [
    ...unshown(root, nodes, cases),
    ...hidden(nodes, cases),
    ...lists(nodes, cases),
    ...missing,
    ...letIn(root, nodes, cases),
  ]
}

function unshown(root: Node, nodes: readonly Node[], cases: readonly Shown[]): readonly Remark[] {
  if (cases.length === 0) return []
  const shown = new Set(cases.flatMap(({ facts }) => [...Object.keys(facts), ...Object.keys(facts['claims'] ?? {})]))
  return [...readsOf(root).claims]
    .filter((claim) => !shown.has(claim))
    .map((claim) => ({
      node: nodes.find((node) => isPlainName(node) && node.value === claim) ?? root,
      message: `no case shows the claim ${claim}`,
      advice: 'add a case that has it: its name may be misspelt',
    }))
}

/** `account` is ours: a case that gives the claim of that name, and not ours, shows something the rule does not ask. */
function hidden(nodes: readonly Node[], cases: readonly Shown[]): readonly Remark[] {
  return [...reservedNames].flatMap((name) => {
    const isMistaken = cases.some(
      ({ facts }) => isMap(facts['claims']) && Object.hasOwn(facts['claims'], name) && !(name in facts),
    )
    const path = isMistaken ? nodes.find((node) => plainPath(node)?.[0] === name) : undefined
    if (path === undefined) return []
    const message = `${name} is a name of ours: the claim that a case gives under it is not what this reads`
    return [{ node: path, message, advice: `write claims.${name} for the claim, or give ${name} itself in the case` }]
  })
}

function valueAt(facts: Values, path: readonly string[]): Json | undefined {
  const [first = '', ...rest] = path
  const claims = facts['claims']
  const start = Object.hasOwn(facts, first) || first === 'claims' ? facts[first] : isMap(claims) ? claims[first] : undefined
  return rest.reduce<Json | undefined>((value, name) => (isMap(value) ? value[name] : undefined), start)
}

/** A fact compared with `=` or `!=`, and what with. */
function compared(node: Node): { readonly path: readonly string[]; readonly other: Node } | undefined {
  if (!isBinary(node, '=', '!=')) return undefined
  for (const [side, other] of [
    [node.lhs, node.rhs],
    [node.rhs, node.lhs],
  ] as const) {
    const path = plainPath(unwrapped(side))
    if (path) return { path, other }
  }
  return undefined
}

/** The cases say that it may be a list. */
function lists(nodes: readonly Node[], cases: readonly Shown[]): readonly Remark[] {
  return nodes.flatMap((node) => {
    const { path, other } = compared(node) ?? {}
    if (!path || !other || path[0] === 'groups' || unwrapped(other).type !== 'string') return []
    const values = cases.map(({ facts }) => valueAt(facts, path)).filter((value) => value !== undefined)
    if (values.length === 0 || !values.every(Array.isArray)) return []
    const name = path.join('.')
    const meant = `${show(other)} in ${name}`
    const [always, advice] = node.value === '=' ? ['false', meant] : ['true', `not (${meant})`]
    return [{ node, message: `${name} is a list in every case: this is always ${always} for it`, advice: `write ${advice}` }]
  })
}

/** `missing != x` is false: whoever lacks the claim is refused, and only a case says whether that is meant. */
function lacking(nodes: readonly Node[], cases: readonly Shown[]): readonly Remark[] {
  const seen = new Set<string>()
  return nodes.flatMap((node) => {
    const { path } = node.value === '!=' ? (compared(node) ?? {}) : {}
    const name = path?.join('.') ?? ''
    if (!path || seen.has(name) || isAlwaysThere(path) || isGuarded(name, nodes)) return []
    if (cases.some(({ facts }) => valueAt(facts, path) === undefined)) return []
    seen.add(name)
    const message = `this is also false where ${name} is missing, and no case shows that`
    return [{ node, message, advice: `add a case without ${name}, or ask $exists(${name}) as well` }]
  })
}

/** `not (missing = x)` is true: whoever lacks the claim is let in, and only a case says whether that is meant. */
function letIn(root: Node, nodes: readonly Node[], cases: readonly Shown[]): readonly Remark[] {
  return heldByAbsence(root).flatMap(({ node, path }) => {
    const name = path.join('.')
    if (isAlwaysThere(path) || isGuarded(name, nodes)) return []
    if (cases.some(({ facts }) => valueAt(facts, path) === undefined)) return []
    const message = `turned round by \`not\` this also holds where ${name} is missing, and no case shows that`
    return [{ node, message, advice: `write $exists(${name}) and not …, or add a case without ${name}` }]
  })
}

const mayBeMissing = new Set(['claims', 'auth', 'acr', 'profile'])
const isAlwaysThere = ([first = '', ...rest]: readonly string[]): boolean =>
  reservedNames.has(first) && !mayBeMissing.has(first) && (rest.length === 0 || first === 'request')

/** `$exists(x)`, `$type(x) = …`: somebody has thought of it. */
const isGuarded = (name: string, nodes: readonly Node[]): boolean =>
  nodes.some(
    (node) =>
      ['exists', 'type'].includes(calledName(node) ?? '') &&
      (node.arguments ?? []).some((operand) => plainPath(unwrapped(operand))?.join('.') === name),
  )
