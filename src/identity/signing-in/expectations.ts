// What a sign-in was begun for, and whether the one who comes back will do: really asked, strong enough, the one who was meant.
// Knows people as fingerprints and texts; no session is made or ended here.
import { hash } from 'node:crypto'
import type { Reason } from '../../errors.ts'
import { factsOf, factsOfNobody } from '../../facts.ts'
import type { Facts, Identity, Instant, Json, Provider } from '../../types.ts'
import type { Expectations } from './flow.ts'
import type { Errand } from './sign-in-context.ts'
import { asOf } from './usable.ts'

/** Milliseconds that a provider's clock may be behind ours. */
const behind = 60_000

/** Short and of one length, so that a flow cookie stays small and tells nothing. */
const fingerprint = (...parts: readonly string[]): string => hash('sha256', JSON.stringify(parts), 'base64url').slice(0, 22)

export const fingerprintOf = ({ issuer, subject }: Pick<Identity, 'issuer' | 'subject'>): string =>
  fingerprint('person', issuer, subject)

/** ASCII alone is folded: `K` of KELVIN SIGN is nobody's `k`. */
const folded = (text: string): string => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
export const isSameText = (a: string, b: string): boolean => folded(a) === folded(b)
const textFingerprint = (text: string): string => fingerprint('text', folded(text))

/** What expressions see at the start: of the person who is known already, or of nobody; and what was typed. */
export function factsAtStart(
  { request, portal, returnTo, now }: Errand,
  known: Identity | undefined,
  typed: string | undefined,
): Facts {
  const wanted = asOf(request, portal, returnTo)
  const facts = known ? factsOf(known, wanted, portal.name, now) : factsOfNobody(wanted, portal.name, now)
  const { login_hint: _, ...others } = facts
  return typed === undefined ? others : { ...others, login_hint: typed }
}

/** What `verify` will hold against the claim; null: it wants something, and nothing is known. */
export async function verifiedText({ asking }: Provider, facts: Facts): Promise<string | null | undefined> {
  if (!asking?.verify) return undefined
  const text = await asking.verify.expected(facts)
  return text ? textFingerprint(text) : null
}

/** Why whoever comes back will not do; undefined: nothing is wrong. `begunAt` is when they were sent away. */
export function troubleWith(
  expects: Expectations,
  begunAt: Instant,
  identity: Identity,
  provider: Provider,
): { readonly reason: Reason; readonly detail: string } | undefined {
  if (expects.fresh && identity.authenticatedAt < begunAt - behind)
    return { reason: 'sign-in-failed', detail: 'auth_time lies before the start: the provider did not ask the person' }
  if (expects.acr !== undefined && !expects.acr.split(' ').includes(identity.assurance ?? ''))
    return { reason: 'assurance-too-low', detail: `acr was asked for and not given: ${JSON.stringify(expects.acr)}` }
  const { verify } = provider.asking ?? {}
  if (verify && !isVerified(identity.claims[verify.claim], expects.verified))
    return { reason: 'hint-mismatch', detail: `the claim ${JSON.stringify(verify.claim)} is not what was asked for` }
  if (expects.person !== undefined && expects.after === undefined && fingerprintOf(identity) !== expects.person)
    return { reason: 'other-person', detail: 'somebody else came back than the one who is signed in' }
  return undefined
}

/** Fails closed: no claim, or a sign-in that began when nothing was to be verified. */
const isVerified = (claim: Json | undefined, verified: string | undefined): boolean =>
  (typeof claim === 'string' || typeof claim === 'number') &&
  verified !== undefined &&
  textFingerprint(String(claim)) === verified
