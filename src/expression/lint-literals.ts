// Texts that a fact never holds: "true" for a boolean, a range for an address, a provider that nobody has.
import { isBinary, type Node, plainPath, unwrapped, walk } from './ast.ts'
import type { Remark } from './lint.ts'

/** What the configuration calls its own. */
export interface Known {
  readonly provider: readonly string[]
  readonly portal: readonly string[]
  /** The name that was probably meant. */
  readonly nearest: (word: string, among: readonly string[]) => string | undefined
}

/** Ours, and those that OpenID Connect Core section 5.1 defines so. */
const booleans = new Set(['is_system', 'is_client_ip_private'])
const booleanClaims = new Set(['email_verified', 'phone_number_verified'].flatMap((name) => [name, `claims.${name}`]))

interface Compared {
  readonly node: Node
  readonly operator: string
  readonly path: string
  readonly literals: readonly Node[]
}

export function neverHeld(root: Node, known: Known | undefined): readonly Remark[] {
  const all = [...walk(root)].flatMap(comparedIn)
  return all.flatMap((compared) => {
    const { path, literals } = compared
    if (booleans.has(path) || (booleanClaims.has(path) && !alsoTrue(all, path))) return neverBoolean(compared)
    const texts = literals.filter(({ type }) => type === 'string')
    if (path === 'client_ip') return texts.flatMap((text) => range(compared, text))
    if (path === 'request.method') return texts.flatMap((text) => smallMethod(compared, text))
    if (known && (path === 'provider' || path === 'portal')) return texts.flatMap((text) => strange(path, text, known))
    return []
  })
}

/** A fact beside what is written out. */
function comparedIn(node: Node): readonly Compared[] {
  if (!isBinary(node, '=', '!=', 'in')) return []
  const operator = String(node.value)
  const sides =
    operator === 'in' ? [[node.lhs, node.rhs] as const] : [[node.lhs, node.rhs] as const, [node.rhs, node.lhs] as const]
  return sides.flatMap(([fact, other]) => {
    const path = plainPath(unwrapped(fact))?.join('.')
    const literals = literalsIn(unwrapped(other), operator)
    return path === undefined || literals.length === 0 ? [] : [{ node, operator, path, literals }]
  })
}

function literalsIn(node: Node, operator: string): readonly Node[] {
  if (isLiteral(node)) return [node]
  if (operator !== 'in' || node.type !== 'unary' || node.value !== '[') return []
  const members = (node.expressions ?? []).map(unwrapped)
  return members.every(isLiteral) ? members : []
}

const isLiteral = ({ type, value, predicate }: Node): boolean =>
  !predicate && (type === 'string' || type === 'number' || (type === 'value' && typeof value === 'boolean'))

/** Some providers do say "true": whoever asks for both knows it. */
const alsoTrue = (all: readonly Compared[], path: string): boolean =>
  all.some((one) => one.path === path && one.literals.some(({ type }) => type === 'value'))

function neverBoolean({ node, path, operator, literals }: Compared): readonly Remark[] {
  const [first] = literals
  if (!first || literals.some(({ type }) => type === 'value')) return []
  const kind = first.type === 'string' ? 'a text' : 'a number'
  const meant = !['false', '0'].includes(String(first.value).toLowerCase()) === (operator !== '!=')
  return [{ node, message: `${path} is true or false: ${kind} never equals it`, advice: `write ${path} = ${meant}` }]
}

function range({ node, operator }: Compared, { value }: Node): readonly Remark[] {
  const text = String(value)
  if (!/[/*]/.test(text)) return []
  const meant = text.includes('*') ? '$inCidr(client_ip, "10.0.0.0/8")' : `$inCidr(client_ip, ${JSON.stringify(text)})`
  const advice = `write ${operator === '!=' ? `not ${meant}` : meant}`
  return [{ node, message: 'client_ip is one address: it never equals a range', advice }]
}

function smallMethod({ node, operator }: Compared, { value }: Node): readonly Remark[] {
  const text = String(value)
  if (!/[a-z]/.test(text)) return []
  const upper = JSON.stringify(text.toUpperCase())
  const advice = operator === 'in' ? `write ${upper}` : `write request.method ${operator} ${upper}`
  return [{ node, message: `methods are in upper case: no request has ${JSON.stringify(text)}`, advice }]
}

function strange(path: 'provider' | 'portal', node: Node, known: Known): readonly Remark[] {
  const text = String(node.value)
  const names = known[path]
  if (names.includes(text)) return []
  const meant = known.nearest(text, names)
  const there = names.length > 8 ? `${names.slice(0, 8).join(', ')}, …` : names.join(', ')
  const advice = meant === undefined ? `write one of ${there}` : `did you mean "${meant}"?`
  return [{ node, message: `no ${path} of this configuration has the name ${JSON.stringify(text)}`, advice }]
}
