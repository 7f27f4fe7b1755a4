// A session as it begins: what is kept of a sign-in, and for how long.
import { hash, randomBytes } from 'node:crypto'
import type { Identity, Instant, Json, SessionRules } from '../../types.ts'
import type { Opening } from './session.ts'
import type { SessionRecord } from './session-store.ts'

export function newRecord(identity: Identity, rules: SessionRules, now: Instant, extra: Opening): SessionRecord {
  const { createdAt = now, endsAt = Number.POSITIVE_INFINITY, keep, factors, local, madeBy, tokens, waits } = extra
  return {
    id: randomBytes(18).toString('base64url'),
    audience: rules.audience,
    identity,
    createdAt,
    touchedAt: now,
    endsAt: Math.min(createdAt + rules.lifetime, endsAt),
    revision: 0,
    providerSession: extra.providerSession ?? providerSessionOf(identity, keep),
    ...(keep === undefined ? {} : { keep }),
    ...(factors && Object.keys(factors).length > 0 ? { factors } : {}),
    ...(local ? { local } : {}),
    ...(madeBy === undefined ? {} : { madeBy }),
    ...(tokens === undefined ? {} : { tokens }),
    ...(waits ? { waits } : {}),
  }
}

/**
 * One sign-in at the provider, as far as it lets us know: its `sid` (OpenID Connect Front-Channel Logout section 3), else the time
 * of authentication; where neither is said, all sessions of the person are taken for one, so that signing out ends too much
 * rather than too little. Hashed: a fixed, short length.
 */
export function providerSessionOf(identity: Identity, keep: Json | undefined): string {
  const kept = keep !== null && typeof keep === 'object' && 'sid' in keep ? keep.sid : undefined
  const sid = kept ?? identity.claims['sid']
  const { issuer, subject, claims } = identity
  const key = typeof sid === 'string' ? ['sid', issuer, sid] : ['subject', issuer, subject, claims['auth_time'] ?? null]
  return hash('sha256', JSON.stringify(key), 'base64url').slice(0, 22)
}

/** For the log. @param length bytes of the whole */
export function tooLarge(record: SessionRecord, length: number): string {
  const sizes = Object.entries(record.identity.claims).map(([name, value]) => [name, JSON.stringify(value).length] as const)
  const largest = sizes.sort((a, b) => b[1] - a[1])[0]
  const claim = largest ? `largest claim: ${JSON.stringify(largest[0])} with ${largest[1]} bytes` : 'no claims'
  const kept = record.keep === undefined ? '' : `, kept for the provider: ${JSON.stringify(record.keep).length} bytes`
  return `the sealed session has ${length} bytes; ${claim}${kept}; session.claims chooses what is kept`
}
