// Owns the OpenID Connect relying party: the way to the provider, the checks on what comes back, the way out.
// Must not know: cookies, sessions, portals, who asked for the sign-in. It is told state and redirect URI and returns data.
import { authorizationCodeGrant, type Configuration, fetchUserInfo } from 'openid-client'
import type { Log } from '../../log.ts'
import type { AuthOutcome, Clock, Instant, Json, Login, Provider, RequestView } from '../../types.ts'
import { failed, outcomeOf, readAnswer } from './oidc-answer.ts'
import { type Claims, compileAttribute, identityOf, joinClaims } from './oidc-claims.ts'
import { type ClientOptions, createClient } from './oidc-client.ts'
import { createEndpoints, type EndpointOptions } from './oidc-endpoints.ts'
import { createProviderFetch, exactRedirectUri } from './oidc-fetch.ts'
import { authorization, type Flow, flowOf, maxAgeOf, type RequestOptions, reservedParameters } from './oidc-request.ts'
import { endOf, keepOf } from './oidc-sign-out.ts'

export interface OidcOptions extends ClientOptions, EndpointOptions, RequestOptions {
  readonly label: string
  readonly credentialsName?: string
  /** A claim's name or a JSONata expression. */
  readonly accountAttribute: string
  readonly accountCase: 'keep' | 'lower'
  /** A claim's name or a JSONata expression; text or list. */
  readonly groupsAttribute: string
  readonly requireVerifiedEmail: boolean
  readonly endSession: boolean
  /** Claims that rules, headers or the account read: where the ID token lacks one, userinfo is asked. */
  readonly wantedClaims: ReadonlySet<string>
  readonly tls?: { readonly ca?: string }
  readonly egressProxy?: string
  /** Comma-separated, as in NO_PROXY. */
  readonly noProxy?: string
  /** Milliseconds per call to the provider; default 5000. */
  readonly callTimeout?: number
}

/** Providers' clocks run a little ahead; tokens from the future are refused (seconds). */
const clockTolerance = 60

/**
 * OpenID Connect Core 1.0 code flow with PKCE (RFC 7636), nonce and RFC 9207 `iss`. Asks nobody until the first sign-in.
 * Throws TypeError or ExpressionError where the options cannot be used.
 */
export function createOidcProvider(options: OidcOptions, context: { readonly clock: Clock; readonly log: Log }): Provider {
  const reserved = Object.keys(options.authorizationParameters ?? {}).find((name) => reservedParameters.has(name))
  if (reserved) throw new TypeError(`authorizationParameters must not set ${reserved}`)
  const { ask, close } = createProviderFetch({ ...options.tls, ...options })
  const timeout = options.callTimeout ?? 5000
  const endpoints = createEndpoints(options, { ...context, ask, timeout })
  const clientFor = createClient(options, { ask, timeout })
  const client = async () => clientFor(await endpoints.current())
  const login = createLogin(options, client, context.clock)
  return {
    name: options.name,
    protocol: 'OIDC',
    label: options.label,
    ...(options.credentialsName === undefined ? {} : { credentialsName: options.credentialsName }),
    login,
    status: endpoints.status,
    probe: async () => {
      await endpoints.current().catch(() => undefined)
      return endpoints.status()
    },
    close,
  }
}

type Client = () => Promise<Configuration>

function createLogin(options: OidcOptions, client: Client, clock: Clock): Login {
  const exchange = createExchange(options, client, clock)
  return {
    begin: async (start) => authorization(options, await client(), start),
    complete: async (back: RequestView, flow: Json, at) => {
      try {
        const answer = readAnswer(back, at.callback)
        const sent = flowOf(flow)
        if (!sent) return failed('the flow is not one of this provider')
        return answer instanceof URL ? await exchange(answer, sent, at) : answer
      } catch (error) {
        return outcomeOf(error)
      }
    },
    end: (session, returnTo) => endOf(options, client, session, returnTo),
  }
}

/** The code for tokens, the tokens for claims, the claims for a person. Throws what the provider or openid-client objects to. */
function createExchange(options: OidcOptions, client: Client, clock: Clock) {
  const account = compileAttribute(options.accountAttribute)
  const groups = compileAttribute(options.groupsAttribute)
  const wanted = new Set([...options.wantedClaims, ...account.reads, ...groups.reads])
  // an address that is read is read with what is said of it: a false one in userinfo alone refuses too
  if (options.requireVerifiedEmail || wanted.has('email')) wanted.add('email_verified')

  return async (answer: URL, flow: Flow, at: { callback: string; state: string }): Promise<AuthOutcome> => {
    const configuration = await client()
    const checks = { expectedState: at.state, expectedNonce: flow.nonce, pkceCodeVerifier: flow.verifier, ...maxAgeOf(flow) }
    const tokens = await authorizationCodeGrant(
      configuration,
      answer,
      { ...checks, idTokenExpected: true },
      { [exactRedirectUri]: at.callback },
    )
    const idToken = tokens.claims() as unknown as Claims
    const now = clock()
    const trouble = troubleOf(idToken, now)
    if (trouble) return failed(trouble)
    const userinfo = asksUserinfo(options, configuration, idToken, wanted)
      ? await fetchUserInfo(configuration, tokens.access_token, String(idToken['sub']))
      : {}
    const claims = joinClaims(idToken, userinfo as Claims)
    const outcome = await identityOf(claims, { ...options, account, groups }, now)
    return outcome.kind === 'identified' ? { ...outcome, ...keepOf(options, configuration, tokens.id_token, idToken) } : outcome
  }
}

/** What openid-client lets pass. An empty subject would be everybody whom the provider forgot to name. */
function troubleOf(idToken: Claims, now: Instant): string | undefined {
  if (idToken['sub'] === '') return 'JWT "sub" (subject) is empty'
  return Number(idToken['iat']) > now / 1000 + clockTolerance ? 'JWT "iat" (issued at) lies in the future' : undefined
}

function asksUserinfo(options: OidcOptions, configuration: Configuration, idToken: Claims, wanted: ReadonlySet<string>): boolean {
  if (options.userinfo === 'never' || configuration.serverMetadata().userinfo_endpoint === undefined) return false
  if (options.userinfo === 'always') return true
  return [...wanted].some((claim) => (idToken[claim] ?? undefined) === undefined)
}
