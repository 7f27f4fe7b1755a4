// What came back on the callback, and what each failure means to the person. No value of a token, code or claim leaves here.
import { AuthorizationResponseError, ResponseBodyError, WWWAuthenticateChallengeError } from 'openid-client'
import { PosternError } from '../../errors.ts'
import type { AuthOutcome, Json, Login, RequestView } from '../../types.ts'
import { logSafe } from './account.ts'
import { Unreachable } from './oidc-fetch.ts'

export type Refusal = Extract<AuthOutcome, { kind: 'rejected' }>
export const failed = (detail: string): Refusal => ({ kind: 'rejected', reason: 'sign-in-failed', detail })

const once = ['code', 'state', 'iss', 'error']

/**
 * The redirect URI as it was sent, with the provider's answer as its query; never made from the request's Host.
 * What the redirect URI's own query holds is not part of the answer.
 */
function readAnswer(back: RequestView, callback: string): URL | Refusal {
  const url = new URL(callback)
  const own = [...url.searchParams]
  const answer = [...new URLSearchParams(back.query)].filter(([name, value]) => {
    const at = own.findIndex(([ownName, ownValue]) => ownName === name && ownValue === value)
    if (at >= 0) own.splice(at, 1)
    return at < 0
  })
  for (const name of once) {
    if (answer.filter(([one]) => one === name).length > 1) return failed(`${name} came more than once`)
  }
  url.search = new URLSearchParams(answer).toString()
  return url
}

/** What a failed exchange means. Throws nothing: what is not known is a refusal. */
export function outcomeOf(error: unknown): AuthOutcome {
  for (const one of chainOf(error)) {
    if (one instanceof Unreachable || one instanceof PosternError) {
      const retryAfter = one.retryAfter === undefined ? {} : { retryAfter: one.retryAfter }
      return { kind: 'unavailable', detail: one instanceof PosternError ? one.detail : one.message, ...retryAfter }
    }
    if (refusesClient(one)) return { kind: 'rejected', reason: 'provider-misconfigured', detail: clientRefused }
    if (one instanceof AuthorizationResponseError) return deniedBy(one.error, one.error_description)
    if (one instanceof ResponseBodyError) return failed(`token endpoint: ${logSafe(one.error, 80)}`)
  }
  return failed(checkOf(error))
}

const clientRefused =
  'the provider refused the client (invalid_client): compare clientId, clientSecret and clientAuthentication with what is registered there'

/** RFC 6749 section 5.2. A provider that answers client_secret_basic with 401 must say so as a Basic challenge. */
function refusesClient(error: Error): boolean {
  if (error instanceof ResponseBodyError) return error.error === 'invalid_client' || error.error === 'unauthorized_client'
  return error instanceof WWWAuthenticateChallengeError && error.cause.some(({ scheme }) => scheme.toLowerCase() === 'basic')
}

/** RFC 6749 section 4.1.2.1. Two of its codes are the 5xx that a redirect cannot carry. */
function deniedBy(code: string, description: string | undefined): AuthOutcome {
  const said = description ? ` (${logSafe(description, 200)})` : ''
  const detail = `${logSafe(code, 80)}${said}`
  if (code === 'server_error' || code === 'temporarily_unavailable') return { kind: 'unavailable', detail }
  return { kind: 'rejected', reason: 'sign-in-denied', detail }
}

/** An error and its causes, the outermost first. */
export function* chainOf(error: unknown): Generator<Error> {
  let one = error
  for (let depth = 0; depth < 8 && one instanceof Error; depth++) {
    yield one
    one = one.cause
  }
}

/** The innermost sentence of openid-client's own: it names the check and no value. A parser's would quote what it read. */
function checkOf(error: unknown): string {
  const own = ['ClientError', 'OperationProcessingError', 'UnsupportedOperationError', 'WWWAuthenticateChallengeError']
  const sentences = [...chainOf(error)].filter((one) => own.includes(one.name)).map((one) => one.message)
  return sentences.at(-1) ?? 'the answer could not be used'
}

/** What a callback comes to: the answer is read, the flow is this provider's, and whatever the exchange throws is an outcome. */
export const completion =
  <F>(
    flowOf: (flow: Json) => F | undefined,
    exchange: (answer: URL, flow: F, at: { readonly callback: string; readonly state: string }) => Promise<AuthOutcome>,
  ): Login['complete'] =>
  async (back, flow, at) => {
    try {
      const answer = readAnswer(back, at.callback)
      const sent = flowOf(flow)
      if (!sent) return failed('the flow is not one of this provider')
      return answer instanceof URL ? await exchange(answer, sent, at) : answer
    } catch (error) {
      return outcomeOf(error)
    }
  }
