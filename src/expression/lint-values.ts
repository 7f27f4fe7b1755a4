// What kind of value an expression surely gives, seen without running it.
import { calledName, isBinary, type Node, plainPath, unwrapped } from './ast.ts'

const textFacts = [
  'account',
  'provider',
  'portal',
  'client_ip',
  'acr',
  'request.method',
  'request.path',
  'request.query',
  'request.host',
]
/** Claims that OpenID Connect Core section 5.1, RFC 9068 and the large providers define as text. */
const textClaims = [
  'sub',
  'iss',
  'azp',
  'hd',
  'tid',
  'oid',
  'upn',
  'name',
  'given_name',
  'family_name',
  'nickname',
  'preferred_username',
  'email',
  'locale',
  'zoneinfo',
  'phone_number',
  'sid',
]
const factKinds = new Map([
  ...[...textFacts, ...textClaims, ...textClaims.map((name) => `claims.${name}`)].map((name) => [name, 'text'] as const),
  ['groups', 'list'],
  ['amr', 'list'],
  ['claims.amr', 'list'],
  ['claims', 'map'],
  ['request', 'map'],
  ['profile', 'map'],
  ['now', 'number'],
  ['authenticated_at', 'number'],
])
const functionKinds = new Map<string, string>([
  ...names(
    'string substring substringBefore substringAfter lowercase uppercase trim pad replace join formatNumber formatBase',
  ).map(asText),
  ...names('formatInteger base64encode base64decode encodeUrl encodeUrlComponent decodeUrl decodeUrlComponent type').map(asText),
  ...names('now fromMillis emailDomain').map(asText),
  ...names('sum count max min average number floor ceil round abs sqrt power length millis toMillis parseInteger').map(
    (name) => [name, 'number'] as const,
  ),
  ...names('split match keys append sort reverse zip').map((name) => [name, 'list'] as const),
])
const literalKinds = new Map([
  ['string', 'text'],
  ['number', 'number'],
  ['regex', 'regular expression'],
  ['lambda', 'function'],
  ['transform', 'function'],
])

function names(text: string): readonly string[] {
  return text.split(' ')
}
function asText(name: string): readonly [string, string] {
  return [name, 'text']
}

/** The kind of value, where it is surely no boolean. */
export function neverBoolean(node: Node): string | undefined {
  const inner = unwrapped(node)
  if (inner.predicate || inner.group) return undefined
  if (inner.type === 'value') return inner.value === null ? 'null' : undefined
  if (inner.type === 'unary') return inner.value === '-' ? 'number' : inner.value === '[' ? 'list' : 'map'
  if (isBinary(inner, '+', '-', '*', '/', '%')) return 'number'
  if (isBinary(inner, '&')) return 'text'
  const path = plainPath(inner)
  if (path) return factKinds.get(path.join('.'))
  return literalKinds.get(inner.type) ?? functionKinds.get(calledName(inner) ?? '')
}

/** Every node whose value may become the value of the whole. */
export function resultsOf(root: Node): readonly Node[] {
  const inner = unwrapped(root)
  if (inner.type === 'condition') return [inner.then, inner.else].flatMap((branch) => (branch ? resultsOf(branch) : []))
  const last = inner.type === 'block' ? inner.expressions?.at(-1) : undefined
  return last ? resultsOf(last) : [inner]
}

/** A path of names or a literal, as it would be written. */
export function show(node: Node): string | undefined {
  const inner = unwrapped(node)
  if (inner.predicate || inner.group) return undefined
  if (inner.type === 'string' || inner.type === 'number' || inner.type === 'value') return JSON.stringify(inner.value)
  return plainPath(inner)?.join('.')
}

export const isKnownName = (name: string): boolean =>
  factKinds.has(name) ||
  [
    'auth',
    'email_verified',
    'is_system',
    'is_client_ip_private',
    'address',
    'updated_at',
    'auth_time',
    'roles',
    'amr',
    'aud',
  ].includes(name)
