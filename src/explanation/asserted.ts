// Who is asking, out of claims: as the provider would assert them, in the shape that a sign-in would give them. Asks nobody.
import { PosternError } from '../errors.ts'
import type { AuthOutcome, Identified, Identity, Portal, Provider, Session } from '../types.ts'
import { WrongQuestion } from './explanation.ts'
import type { Foresight } from './foresight.ts'
import type { Question } from './question.ts'

export const nobody: Asserted = { outcome: { kind: 'absent' }, cookies: [] }

export function providerOf(portal: Portal, wanted: string | undefined): Provider {
  const able = portal.providers.filter((provider) => provider.assert)
  const names = able.map(({ name }) => name).join(', ')
  const name = wanted ?? portal.defaultProvider ?? able[0]?.name
  const found = able.find((provider) => provider.name === name) ?? (wanted === undefined ? able[0] : undefined)
  if (found) return found
  throw new WrongQuestion(
    names === ''
      ? 'no provider of this portal asserts claims  → leave --claims out'
      : `the portal does not have this provider  → write one of ${names}`,
  )
}

export const claimsOf = ({ claims = {} }: Question, foresight: Foresight | undefined) => foresight?.split(claims).claims ?? claims

/** With what the post-login actions would have set. */
export function withAdded(identity: Identity, foresight: Foresight, { claims = {} }: Question): Identity {
  const { added } = foresight.split(claims)
  return Object.keys(added).length === 0 ? identity : { ...identity, added: { ...identity.added, ...added } }
}

/** `person` is also one who is turned away. */
export type Asserted = Identified & { readonly person?: Identity }

/** @param shape of whoever the provider names; what it throws refuses them */
export async function assertedBy(
  provider: Provider,
  claims: NonNullable<Question['claims']>,
  at: Question['at'],
  shape: (identity: Identity) => Promise<Identity>,
): Promise<Asserted> {
  const failed = (): AuthOutcome => ({
    kind: 'rejected',
    reason: 'sign-in-failed',
    detail: 'the claims cannot be read as configured',
  })
  const outcome = (await provider.assert?.(claims, at).catch(failed)) ?? failed()
  if (outcome.kind !== 'identified') return { outcome, cookies: [] }
  const identity = await shape(outcome.identity).catch(refusalIn)
  if ('kind' in identity) return { outcome: identity, cookies: [], person: outcome.identity }
  const known = { outcome: { ...outcome, identity }, cookies: [], person: identity }
  return provider.login ? { ...known, session: freshSession(identity, at) } : known
}

/** As somebody has who signed in this moment. */
export function freshSession(identity: Identity, at: number): Session {
  const forever = Number.POSITIVE_INFINITY
  return { id: '', audience: '', identity, createdAt: at, idleUntil: forever, endsAt: forever, revision: 0 }
}

/** What ends a sign-in on purpose. */
export function refusalIn(error: unknown): Extract<AuthOutcome, { kind: 'rejected' }> {
  if (error instanceof PosternError) return { kind: 'rejected', reason: error.reason, detail: error.detail }
  return { kind: 'rejected', reason: 'internal', detail: 'the profile could not be told' }
}
