// What a token endpoint gave, as a session keeps it: when the access token ends, and when to ask for another.
import type { TokenEndpointResponse } from 'openid-client'
import type { Instant, Tokens } from '../../types.ts'

/** A long life is renewed no earlier than so long before its end (milliseconds). */
const mostMargin = 5 * 60_000
/** Of an access token whose end nobody says (RFC 6749 section 5.1 only recommends it). */
const usualLife = 60 * 60_000
/** Milliseconds: a provider whose tokens are over when they come is not asked at every request. */
const leastLead = 1000

/**
 * RFC 6749 sections 5.1 and 6: where no other refresh token comes, the one before stays. A fifth of a token's life is left when it
 * is renewed, at most five minutes. `now` in epoch milliseconds.
 */
export function tokensOf(answer: TokenEndpointResponse, now: Instant, before?: Tokens): Tokens {
  const life = lifeIn(answer.expires_in)
  const refresh = answer.refresh_token ?? before?.refresh
  return {
    access: answer.access_token,
    ...(life === undefined ? {} : { accessEndsAt: now + life }),
    ...(refresh === undefined ? {} : { refresh, refreshAt: now + leadIn(answer, life) }),
  }
}

const leadIn = (answer: TokenEndpointResponse, life = usualLife): number =>
  Math.max(leastLead, Math.min(leadOf(life), refreshLead(answer)))

/** Keycloak and GitHub say when the refresh token ends, each in a word of its own; 0 is never. */
function refreshLead(answer: TokenEndpointResponse): number {
  const life = lifeIn(answer['refresh_expires_in']) ?? lifeIn(answer['refresh_token_expires_in'])
  return life === undefined || life === 0 ? Number.POSITIVE_INFINITY : leadOf(life)
}

const leadOf = (life: number): number => life - Math.min(life / 5, mostMargin)

/** Seconds, as they come, in milliseconds. */
function lifeIn(value: unknown): number | undefined {
  const seconds = Number(value ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined
}
