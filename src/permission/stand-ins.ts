// Facts about a person -> the same facts about nobody: what a rule decides on stays, who it was does not. The same value gets
// the same stand-in everywhere in one record; domains stay, and so does whether an address is private.
import { canonicalAddress, isPrivateAddress } from '../addresses.ts'
import type { Json } from '../types.ts'

/** Names under which nobody is told from anybody else. */
const impersonal = new Set(
  (
    'hd tid iss aud azp acr amr groups roles scope scp typ provider portal method host email_verified locale zoneinfo domain ' +
    'department country userType idp vendor'
  ).split(' '),
)
const kinds: readonly { readonly name: RegExp; readonly kind: string }[] = [
  { name: /^(account|upn|preferred_username|unique_name|username|login|user|nickname|uid)$/i, kind: 'person' },
  { name: /^(name|given_name|family_name|middle_name|displayname|cn|sn)$/i, kind: 'Person' },
  { name: /^(sub|oid|sid|jti|nonce|at_hash|c_hash|employee_?(id|number))$/i, kind: 'subject' },
  { name: /phone/i, kind: '+1555010' },
]
const email = /[\w.!#$%&'*+/=?^`{|}~-]+@((?:[a-z\d-]+\.)*[a-z\d-]+)/gi
const uuid = /[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}/gi
const address =
  /(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-f]{0,4}(?::[\da-f]{0,4}){2,7}(?:\d{1,3}(?:\.\d{1,3}){3})?)(?![\w.:])/gi
const longNumber = /\d{5,}/g

export interface StandIns {
  /** @param name of the fact the value stands under */
  replace(value: Json, name: string): Json
}

/**
 * @param literals texts that the rule itself holds: they say nothing that is not in the rule
 */
export function createStandIns(literals: ReadonlySet<string>): StandIns {
  const given = new Map<string, string>()
  const counts = new Map<string, number>()
  const next = (kind: string) => {
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
    return counts.get(kind) ?? 0
  }
  const standIn = (original: string, make: () => string): string => {
    const key = original.toLowerCase()
    const known = given.get(key) ?? make()
    given.set(key, known)
    return known
  }
  const forAddress = (text: string): string => {
    const canonical = canonicalAddress(text)
    return canonical === undefined ? text : standIn(canonical, () => addressLike(canonical, next))
  }
  /** What tells who somebody is wherever it stands. */
  const scrub = (text: string): string =>
    text
      .replace(email, (whole, domain: string) => standIn(whole, () => `person${next('person')}@${domain}`))
      .replace(uuid, (whole) => standIn(whole, () => `00000000-0000-4000-8000-${String(next('uuid')).padStart(12, '0')}`))
      .replace(address, forAddress)
  const text = (value: string, name: string): string => {
    if (literals.has(value) || value === '') return value
    const scrubbed = scrub(value)
    if (scrubbed !== value) return known(scrubbed, given).replace(longNumber, (digits) => '0'.repeat(digits.length))
    if (impersonal.has(name)) return known(value, given)
    const kind = kinds.find((one) => one.name.test(name))?.kind ?? 'value'
    return standIn(value, () => (kind === 'Person' ? `Person ${next(kind)}` : `${kind}${next(kind)}`))
  }
  const replace = (value: Json, name: string): Json => {
    if (typeof value === 'string') return name === 'path' || name === 'query' ? place(value) : text(value, name)
    if (typeof value === 'number') return Math.abs(value) > 99_999 ? Math.sign(value) * 100_000 : value
    if (Array.isArray(value)) return value.map((item: Json) => replace(item, name))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value as Readonly<Record<string, Json>>).map(([key, inner]) => [scrub(key), replace(inner, key)]),
    )
  }
  /** Segments stay, for a rule may ask for them; not those that name somebody or something. */
  const place = (path: string): string =>
    literals.has(path)
      ? path
      : known(scrub(decoded(path)), given)
          .replace(longNumber, (digits) => '0'.repeat(digits.length))
          .replace(/(?<==)[^&]+/g, (value) => (literals.has(value) ? value : 'x'))
  return { replace }
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** A name replaced elsewhere may stand inside a longer text, too. Short ones would be found in every word. */
function known(text: string, given: ReadonlyMap<string, string>): string {
  let replaced = text
  for (const [original, other] of given) {
    if (original.length < 3 || [...given.values()].some((value) => value === original)) continue
    for (
      let at = replaced.toLowerCase().indexOf(original);
      at >= 0;
      at = replaced.toLowerCase().indexOf(original, at + other.length)
    )
      replaced = replaced.slice(0, at) + other + replaced.slice(at + original.length)
  }
  return replaced
}

/** RFC 5737 and RFC 3849 for the public ones; a private one keeps its block. */
function addressLike(canonical: string, next: (kind: string) => number): string {
  const isV6 = canonical.includes(':')
  if (!isPrivateAddress(canonical)) return isV6 ? `2001:db8::${next('v6').toString(16)}` : `203.0.113.${last(next('v4'))}`
  if (canonical === '::1' || canonical.startsWith('127.')) return canonical
  if (isV6) return `${canonical.startsWith('fe80') ? 'fe80' : 'fd00'}::${next('private v6').toString(16)}`
  const block = canonical.startsWith('10.') ? '10.0.0' : canonical.split('.').slice(0, 2).join('.').concat('.0')
  return `${block}.${last(next('private v4'))}`
}

const last = (count: number): number => ((count - 1) % 254) + 1
