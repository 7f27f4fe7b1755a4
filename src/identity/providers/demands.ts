// What a sign-in was begun for - a person really asked, a strength - kept in its flow, and held against what comes back.
import type { AuthOutcome, Instant, Json, LoginStart } from '../../types.ts'
import { logSafe } from './account.ts'
import type { Claims } from './oidc-claims.ts'
import type { Vendor } from './vendor.ts'

export interface Demands {
  /** Seconds since 1970: the person was asked no earlier. */
  readonly freshSince?: number
  /** `acr_values`: one of them. */
  readonly acr?: string
  /** What the provider is set up to show in any case: a weaker wish does not lower it. */
  readonly least?: string
}

/** The provider's clock may be behind ours (seconds). */
const behind = 60

export function demandsOf(start: LoginStart, acrValues: string | undefined, now: Instant): Demands {
  const acr = start.acr ?? acrValues
  return {
    ...(start.fresh ? { freshSince: Math.floor(now / 1000) - behind } : {}),
    ...(acr === undefined ? {} : { acr }),
    ...(acrValues === undefined || acrValues === acr ? {} : { least: acrValues }),
  }
}

export function demandsIn(flow: Json): Demands {
  const { freshSince, acr, least } = (flow ?? {}) as { readonly [key: string]: Json | undefined }
  return {
    ...(typeof freshSince === 'number' ? { freshSince } : {}),
    ...(typeof acr === 'string' ? { acr } : {}),
    ...(typeof least === 'string' ? { least } : {}),
  }
}

/** `max_age` is what makes `auth_time` come back (OpenID Connect Core section 2); some take 0 for none. */
export const maxAgeToAsk = (start: LoginStart, maxAge: number | undefined): number | undefined =>
  start.maxAge ?? maxAge ?? (start.fresh ? behind : undefined)

/**
 * The `claims` parameter, where a vendor wants it for what others are asked otherwise: Google tells `auth_time` only so, and
 * Entra's strengths are authentication contexts (`acrs`). Over what the operator wrote.
 */
export function claimsToAsk(demands: Demands, vendor: Vendor | undefined, written: string | undefined): string | undefined {
  const time = vendor === 'google' && demands.freshSince !== undefined ? { auth_time: { essential: true } } : {}
  const acrs = vendor === 'entra' && demands.acr !== undefined ? { acrs: { essential: true, ...valuesOf(demands.acr) } } : {}
  const ours = { ...time, ...acrs }
  if (Object.keys(ours).length === 0) return written
  const known = objectIn(written)
  return JSON.stringify({ ...known, id_token: { ...(known['id_token'] as object | undefined), ...ours } })
}

function valuesOf(acr: string): { value: string } | { values: readonly string[] } {
  const [one = '', ...more] = listed(acr)
  return more.length === 0 ? { value: one } : { values: [one, ...more] }
}

function objectIn(text: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
  } catch {
    return {}
  }
}

/** `claims` are the provider's, checked. */
export function demandTrouble({ freshSince, acr, least }: Demands, claims: Claims): AuthOutcome | undefined {
  if (freshSince !== undefined) {
    const time = claims['auth_time']
    if (typeof time !== 'number') return failed('auth_time is missing: the provider does not say when it asked the person')
    if (time < freshSince) return failed('auth_time lies before this sign-in: the provider did not ask the person')
  }
  const missing = [acr, least].find((wanted) => wanted !== undefined && shownOf(claims, wanted) === undefined)
  if (missing === undefined) return undefined
  const shown = typeof claims['acr'] === 'string' ? logSafe(claims['acr'], 80) : 'none'
  return { kind: 'rejected', reason: 'assurance-too-low', detail: `acr is ${shown}, asked for was ${logSafe(missing, 120)}` }
}

const failed = (detail: string): AuthOutcome => ({ kind: 'rejected', reason: 'sign-in-failed', detail })
const listed = (acr: string): readonly string[] => acr.split(/\s+/).filter((one) => one !== '')

/** The strength that was asked for and shown: `acr`, or one of Entra's `acrs`. */
export function shownOf(claims: Claims, acr: string | undefined): string | undefined {
  const { acrs } = claims
  const all: readonly unknown[] = [claims['acr'], ...(Array.isArray(acrs) ? acrs : [acrs])]
  return listed(acr ?? '').find((one) => all.includes(one))
}
