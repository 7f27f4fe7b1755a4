// Owns the OpenID Connect relying party: the way to the provider, the checks on what comes back, the way out.
// Must not know: cookies, sessions, portals, who asked for the sign-in. It is told state and redirect URI and returns data.
import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  buildEndSessionUrl,
  type Configuration,
  calculatePKCECodeChallenge,
  fetchUserInfo,
  randomNonce,
  randomPKCECodeVerifier,
} from 'openid-client'
import type { Log } from '../../log.ts'
import type {
  AuthOutcome,
  Clock,
  Instant,
  Json,
  Login,
  LoginStart,
  LoginStep,
  Provider,
  RequestView,
  Session,
  Show,
} from '../../types.ts'
import { failed, outcomeOf, readAnswer } from './oidc-answer.ts'
import { type Claims, compileAttribute, identityOf, joinClaims } from './oidc-claims.ts'
import { type ClientOptions, createClient } from './oidc-client.ts'
import { createEndpoints, type EndpointOptions } from './oidc-endpoints.ts'
import { createProviderFetch, exactRedirectUri } from './oidc-fetch.ts'

export interface OidcOptions extends ClientOptions, EndpointOptions {
  readonly label: string
  readonly credentialsName?: string
  readonly scope: string
  /** A claim's name or a JSONata expression. */
  readonly accountAttribute: string
  readonly accountCase: 'keep' | 'lower'
  /** A claim's name or a JSONata expression; text or list. */
  readonly groupsAttribute: string
  readonly requireVerifiedEmail: boolean
  readonly endSession: boolean
  readonly authorizationParameters?: Readonly<Record<string, string>>
  readonly prompt?: string
  /** Seconds. */
  readonly maxAge?: number
  readonly acrValues?: string
  /** Claims that rules, headers or the account read: where the ID token lacks one, userinfo is asked. */
  readonly wantedClaims: ReadonlySet<string>
  readonly tls?: { readonly ca?: string }
  readonly egressProxy?: string
  /** Comma-separated, as in NO_PROXY. */
  readonly noProxy?: string
  /** Milliseconds per call to the provider; default 5000. */
  readonly callTimeout?: number
}

/** Parameters of the authorization request that nobody configures: changing one would undo a check. */
export const reservedParameters: ReadonlySet<string> = new Set(
  'client_id response_type response_mode redirect_uri scope state nonce code_challenge code_challenge_method request request_uri max_age'.split(
    ' ',
  ),
)
/** Providers' clocks run a little ahead; tokens from the future are refused (seconds). */
const clockTolerance = 60
/** An ID token longer than this is not kept for the sign-out: it would fill the session cookie and break the URL. */
const longestHint = 4096

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
  const account = compileAttribute(options.accountAttribute)
  const groups = compileAttribute(options.groupsAttribute)
  const wanted = new Set([...options.wantedClaims, ...account.reads, ...groups.reads])
  // an address that is read is read with what is said of it: a false one in userinfo alone refuses too
  if (options.requireVerifiedEmail || wanted.has('email')) wanted.add('email_verified')

  const exchange = async (answer: URL, flow: Flow, at: { callback: string; state: string }): Promise<AuthOutcome> => {
    const configuration = await client()
    const tokens = await authorizationCodeGrant(
      configuration,
      answer,
      {
        expectedState: at.state,
        expectedNonce: flow.nonce,
        pkceCodeVerifier: flow.verifier,
        ...maxAgeOf(flow),
        idTokenExpected: true,
      },
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

/** What openid-client lets pass. An empty subject would be everybody whom the provider forgot to name. */
function troubleOf(idToken: Claims, now: Instant): string | undefined {
  if (idToken['sub'] === '') return 'JWT "sub" (subject) is empty'
  return Number(idToken['iat']) > now / 1000 + clockTolerance ? 'JWT "iat" (issued at) lies in the future' : undefined
}

/** What must be known again when the person comes back. Sealed by whoever calls. */
interface Flow {
  readonly nonce: string
  readonly verifier: string
  readonly maxAge?: number
}
const maxAgeOf = ({ maxAge }: { readonly maxAge?: number }) => (maxAge === undefined ? {} : { maxAge })

function flowOf(flow: Json): Flow | undefined {
  const { nonce, verifier, maxAge } = (flow ?? {}) as { readonly [key: string]: Json | undefined }
  if (typeof nonce !== 'string' || typeof verifier !== 'string' || nonce === '' || verifier === '') return undefined
  return { nonce, verifier, ...(typeof maxAge === 'number' ? { maxAge } : {}) }
}

async function authorization(options: OidcOptions, configuration: Configuration, start: LoginStart): Promise<LoginStep> {
  const maxAge = start.maxAge ?? options.maxAge
  const flow = { nonce: randomNonce(), verifier: randomPKCECodeVerifier(), ...(maxAge === undefined ? {} : { maxAge }) }
  const extra = Object.entries(start.extra ?? {}).filter(([name]) => !reservedParameters.has(name))
  const asked = {
    prompt: start.prompt ?? options.prompt,
    acr_values: start.acr ?? options.acrValues,
    login_hint: start.loginHint,
    max_age: maxAge === undefined ? undefined : String(maxAge),
  }
  const to = buildAuthorizationUrl(configuration, {
    ...options.authorizationParameters,
    ...Object.fromEntries(extra),
    ...Object.fromEntries(Object.entries(asked).filter((entry): entry is [string, string] => entry[1] !== undefined)),
    response_type: 'code',
    scope: withOpenid(options.scope),
    redirect_uri: start.callback,
    state: start.state,
    nonce: flow.nonce,
    code_challenge: await calculatePKCECodeChallenge(flow.verifier),
    code_challenge_method: 'S256',
  })
  return { show: { kind: 'redirect', to: to.href }, flow }
}

function withOpenid(scope: string): string {
  const scopes = scope.split(/\s+/).filter(Boolean)
  return (scopes.includes('openid') ? scopes : ['openid', ...scopes]).join(' ')
}

function asksUserinfo(options: OidcOptions, configuration: Configuration, idToken: Claims, wanted: ReadonlySet<string>): boolean {
  if (options.userinfo === 'never' || configuration.serverMetadata().userinfo_endpoint === undefined) return false
  if (options.userinfo === 'always') return true
  return [...wanted].some((claim) => (idToken[claim] ?? undefined) === undefined)
}

/** For the way out: the ID token as hint, and the provider's own session id. */
function keepOf(
  options: OidcOptions,
  configuration: Configuration,
  idToken: string | undefined,
  claims: Claims,
): { keep?: Json } {
  const hinted = options.endSession && configuration.serverMetadata().end_session_endpoint !== undefined
  const hint = hinted && idToken !== undefined && idToken.length <= longestHint ? { idToken } : {}
  const sid = typeof claims['sid'] === 'string' ? { sid: claims['sid'] } : {}
  const keep = { ...hint, ...sid }
  return Object.keys(keep).length > 0 ? { keep } : {}
}

/** OpenID Connect RP-Initiated Logout 1.0 section 2. Nowhere to go where the provider has no such end point or is down. */
async function endOf(options: OidcOptions, client: Client, session: Session, returnTo: URL): Promise<Show | undefined> {
  const configuration = options.endSession ? await client().catch(() => undefined) : undefined
  if (configuration?.serverMetadata().end_session_endpoint === undefined) return undefined
  const { idToken } = (session.keep ?? {}) as { readonly idToken?: Json }
  const hint = typeof idToken === 'string' ? { id_token_hint: idToken } : {}
  const to = buildEndSessionUrl(configuration, { ...hint, post_logout_redirect_uri: returnTo.href })
  return { kind: 'redirect', to: to.href }
}
