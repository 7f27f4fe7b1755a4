// What a failed refresh means for the refresh token: is it still good, is it used up, does nobody know. A token of which that is not
// sure is never sent again: a provider that rotates takes the second time for theft, and ends everything that came of the first.
import { type CustomFetch, ResponseBodyError } from 'openid-client'
import { PosternError, RenewalError } from '../../errors.ts'
import type { AuthOutcome } from '../../types.ts'
import { logSafe } from './account.ts'
import { chainOf, outcomeOf } from './oidc-answer.ts'
import { Unreachable } from './oidc-fetch.ts'

/** What became of the one question to the token endpoint. */
export interface Sent {
  /** It went out. */
  asked: boolean
  status?: number
  /** What it gave: then the refresh token is used up, whatever is wrong with the rest. */
  answer?: { readonly access_token: string } & Readonly<Record<string, unknown>>
}

/** @param ask the provider's calls; what the token endpoint says passes through and is remembered */
export function watchTokenEndpoint(
  ask: CustomFetch,
  tokenEndpoint: string | undefined,
): { readonly ask: CustomFetch; readonly sent: Sent } {
  const sent: Sent = { asked: false }
  const watched: CustomFetch = async (url, init) => {
    if (url !== tokenEndpoint) return ask(url, init)
    sent.asked = true
    const answer = await ask(url, init)
    sent.status = answer.status
    if (answer.ok) Object.assign(sent, answerIn(await answer.clone().text()))
    return answer
  }
  return { ask: watched, sent }
}

function answerIn(text: string): Pick<Sent, 'answer'> {
  try {
    const answer = JSON.parse(text) as Sent['answer'] | null
    return answer && typeof answer.access_token === 'string' && answer.access_token !== '' ? { answer } : {}
  } catch {
    return {}
  }
}

/** The provider says that this person's sign-in is over (RFC 6749 section 5.2, OpenID Connect Core section 3.1.2.6, GitHub's own word). */
const endings: ReadonlySet<string> = new Set([
  'invalid_grant',
  'bad_refresh_token',
  'interaction_required',
  'login_required',
  'consent_required',
  'account_selection_required',
  'access_denied',
])
/** A gateway's words: what stands behind it may have taken the token and not been heard. */
const gatewayFailed: ReadonlySet<number> = new Set([502, 504])
/** There was nobody whom the request could have reached. */
const unsent =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|CERT_\w+|ERR_TLS_CERT_ALTNAME_INVALID|UNABLE_TO_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN)$/

export const ended = (detail: string): RenewalError => new RenewalError('ended', detail)

/** A check that failed, as the same check at a sign-in would. */
export const endedBy = (outcome: AuthOutcome): RenewalError => ended('detail' in outcome ? outcome.detail : outcome.kind)

/** What was thrown on the way to the tokens. No text of the provider's but an error code leaves here. */
export function renewalErrorOf(error: unknown, sent: Sent): RenewalError {
  if (error instanceof RenewalError) return error
  const detail = detailOf(error)
  for (const one of chainOf(error)) {
    if (one instanceof ResponseBodyError)
      return new RenewalError(endings.has(one.error) ? 'ended' : 'not-taken', detail, { cause: error })
    if (one instanceof Unreachable)
      return new RenewalError(isStillGood(one, sent) ? 'not-taken' : 'unknown', detail, { cause: error })
  }
  if (!sent.asked) return new RenewalError('not-taken', detail, { cause: error })
  if (sent.status === undefined) return new RenewalError('unknown', detail, { cause: error })
  if (sent.status < 200 || sent.status >= 300) return new RenewalError('not-taken', detail, { cause: error })
  return new RenewalError(sent.answer ? 'ended' : 'unknown', detail, { cause: error })
}

function isStillGood(error: Unreachable, { asked }: Sent): boolean {
  if (!asked) return true
  if (error.status !== undefined) return !gatewayFailed.has(error.status)
  for (const one of chainOf(error)) if ('code' in one && typeof one.code === 'string' && unsent.test(one.code)) return true
  return false
}

/** The provider could not be asked for something beside the tokens. */
export function isAway(error: unknown): boolean {
  for (const one of chainOf(error)) if (one instanceof Unreachable || one instanceof PosternError) return true
  return false
}

export function detailOf(error: unknown): string {
  const outcome = outcomeOf(error)
  return 'detail' in outcome ? outcome.detail : logSafe(outcome.kind, 80)
}
