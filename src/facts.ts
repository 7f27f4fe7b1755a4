// The facts: the only document a rule or header expression sees. Claims at top level, reserved names on top.
import { canonicalAddress, isPrivateAddress } from './addresses.ts'
import { reservedNames } from './expression/reads.ts'
import type { Facts, Identity, Instant, Json, RequestView, ShapedProfile } from './types.ts'

/**
 * The facts of one person and one request. `acr`, `auth` and `profile` are missing, not null, where nothing is known: so that
 * `acr != "weak"` does not hold for nobody's level.
 * @param portal the portal's name
 * @param now epoch milliseconds
 */
export function factsOf(identity: Identity, request: RequestView, portal: string, now: Instant): Facts {
  return {
    ...unreserved(identity.added ? withAdded(identity.claims, identity.added) : identity.claims),
    ...factsOfNobody(request, portal, now),
    claims: identity.claims,
    account: identity.account,
    groups: identity.groups,
    provider: identity.provider,
    authenticated_at: identity.authenticatedAt,
    ...(identity.assurance !== undefined && { acr: identity.assurance }),
    ...(identity.profile && { profile: profileFact(identity.profile) }),
  }
}

/** Null hides the claim of that name: what could not be learnt is missing, and nobody's token stands in for it. */
function withAdded(claims: Identity['claims'], added: Identity['claims']): Record<string, Json> {
  return Object.fromEntries(
    Object.entries({ ...claims, ...added }).filter(([name]) => !Object.hasOwn(added, name) || added[name] !== null),
  )
}

/** Attributes stand beside the name: `profile.name`, `profile.department`. The name is none of them. */
const profileFact = ({ name, attributes }: ShapedProfile): Json => ({ ...attributes, name })

/** What is known before anybody is: the request, the portal, the time. */
export function factsOfNobody(request: RequestView, portal: string, now: Instant): Facts {
  const address = request.clientAddress === null ? undefined : canonicalAddress(request.clientAddress)
  return {
    claims: {},
    account: null,
    groups: [],
    provider: null,
    portal,
    client_ip: address ?? null,
    is_client_ip_private: address !== undefined && isPrivateAddress(address),
    is_system: false,
    request: { method: request.method, path: request.path, query: request.query.replace(/^\?/, ''), host: request.host },
    authenticated_at: null,
    now,
  }
}

function unreserved(claims: Readonly<Record<string, Json>>): Record<string, Json> {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => !reservedNames.has(name)))
}

/**
 * The facts of a case or an example: what is given, and neutral values for what is not. `now` and `authenticated_at` may be
 * ISO 8601 text; `is_client_ip_private` follows from `client_ip` unless it is given.
 */
export function factsOfCase(given: Readonly<Record<string, Json>>): Facts {
  const address = typeof given['client_ip'] === 'string' ? canonicalAddress(given['client_ip']) : undefined
  const claims = isObject(given['claims']) ? given['claims'] : {}
  return {
    account: null,
    groups: [],
    provider: '',
    portal: '',
    is_system: false,
    ...unreserved(claims),
    ...given,
    claims: { ...unreserved(given), ...claims },
    client_ip: address ?? null,
    is_client_ip_private: given['is_client_ip_private'] ?? (address !== undefined && isPrivateAddress(address)),
    request: { method: 'GET', path: '/', query: '', host: '', ...(isObject(given['request']) && given['request']) },
    authenticated_at: instantOf(given['authenticated_at']),
    now: instantOf(given['now']),
  }
}

const isObject = (value: Json | undefined): value is Readonly<Record<string, Json>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function instantOf(value: Json | undefined): Json {
  if (typeof value !== 'string') return value ?? 0
  const instant = Date.parse(value)
  return Number.isNaN(instant) ? value : instant
}

const momentOfCase = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/

/** The first time of a case that is none: without its zone it would be another one on every machine. */
export function timeTrouble(
  given: Readonly<Record<string, Json>>,
): { readonly key: string; readonly message: string; readonly advice: string } | undefined {
  const key = ['now', 'authenticated_at'].find((name) => !isTime(given[name]))
  return key === undefined ? undefined : { key, message: 'is no time', advice: 'write for example "2026-11-02T09:00:00Z"' }
}

function isTime(value: Json | undefined): boolean {
  if (typeof value !== 'string') return value === undefined || value === null || typeof value === 'number'
  const day = momentOfCase.exec(value)?.[1]
  // a word is what a case gives on purpose, to see a rule fail; anything like a date was meant as one
  if (day === undefined) return !/^\s*\d/.test(value) && Number.isNaN(Date.parse(value))
  // a 31st of February would silently be a day in March
  return !Number.isNaN(Date.parse(value)) && new Date(day).toISOString().startsWith(day)
}
