// Owns the sign-in at providers without an ID token (GitHub's way): a code for a token, the token for what userinfo says.
// Must not know: cookies, sessions, portals. What userinfo says is believed because we asked it over TLS, and for nothing else.
import {
  authorizationCodeGrant,
  type Configuration,
  type CustomFetch,
  fetchProtectedResource,
  randomPKCECodeVerifier,
} from 'openid-client'
import type { Log } from '../../log.ts'
import type { AuthOutcome, Clock, Instant, Json, Login, LoginStart, LoginStep, Provider } from '../../types.ts'
import { holdsControls } from './account.ts'
import { type AskingOptions, askingOf } from './asking.ts'
import { type Demands, demandsIn, demandsOf, demandTrouble } from './demands.ts'
import { secureUrl } from './endpoint-url.ts'
import { createHealth } from './health.ts'
import { fromJson, plainAnswers } from './oauth2-answers.ts'
import { createPlainRenewal } from './oauth2-renewal.ts'
import { completion, failed } from './oidc-answer.ts'
import { type Claims, compileAttribute, identityOf, joinClaims } from './oidc-claims.ts'
import { type ClientOptions, createClient } from './oidc-client.ts'
import { createProviderFetch, exactRedirectUri, Unreachable } from './oidc-fetch.ts'
import { authorizationUrl, promptOf, refuseReserved } from './oidc-request.ts'
import { tokensOf } from './oidc-tokens.ts'

export interface OAuth2Options extends ClientOptions, AskingOptions {
  readonly name: string
  readonly label: string
  readonly credentialsName?: string
  /** Within it a subject is unique; default `oauth2:NAME`. Where it is a URL, an `iss` on the callback must be it (RFC 9207). */
  readonly issuer?: string
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly userinfoEndpoint: string
  /** Absent: none is asked for. */
  readonly scope?: string
  /** Member of the userinfo answer that never changes, or a JSONata expression; text or a whole number. */
  readonly subjectAttribute: string
  /** Member or JSONata expression. */
  readonly accountAttribute: string
  readonly accountCase: 'keep' | 'lower'
  readonly groupsAttribute: string
  readonly requireVerifiedEmail: boolean
  /** Tokens are given for the session, and renewed. */
  readonly refresh?: boolean
  /** Nothing hangs on it: userinfo is always asked. */
  readonly wantedClaims?: ReadonlySet<string>
  readonly prompt?: string
  readonly authorizationParameters?: Readonly<Record<string, string>>
  readonly tls?: { readonly ca?: string }
  readonly egressProxy?: string
  /** Comma-separated, as in NO_PROXY. */
  readonly noProxy?: string
  /** Milliseconds per call to the provider; default 5000. */
  readonly callTimeout?: number
}

/**
 * RFC 6749 code flow with PKCE (RFC 7636). Asks nobody until somebody comes back. Throws TypeError or ExpressionError where the
 * options cannot be used.
 */
export function createOAuth2Provider(options: OAuth2Options, context: { readonly clock: Clock; readonly log: Log }): Provider {
  refuseReserved(options)
  const endpoints = endpointsOf(options)
  const { ask, close } = createProviderFetch({ ...options.tls, ...options })
  const timeout = options.callTimeout ?? 5000
  const health = createHealth({ ask, clock: context.clock, timeout })
  const plain = plainAnswers(health.ask, endpoints.token_endpoint)
  const client = createClient(options, { ask: plain, timeout })
  const reach = () => health.ensure(endpoints.userinfo_endpoint)
  const status = () => health.over({ state: 'ready', endpoints: { ...endpoints } })
  return {
    name: options.name,
    protocol: 'OAUTH2',
    label: options.label,
    ...(options.credentialsName === undefined ? {} : { credentialsName: options.credentialsName }),
    login: createLogin(options, {
      client: () => client.for(endpoints),
      once: (ask) => client.once(endpoints, ask),
      ask: plain,
      clock: context.clock,
      log: context.log,
      reach,
    }),
    asking: askingOf(options),
    assert: createAssert(options, endpoints.issuer),
    status,
    probe: async () => {
      await reach().catch(() => undefined)
      return status()
    },
    close,
  }
}

// a type, not an interface: openid-client wants one that may hold more
type Endpoints = {
  readonly issuer: string
  readonly authorization_endpoint: string
  readonly token_endpoint: string
  readonly userinfo_endpoint: string
}

function endpointsOf(options: OAuth2Options): Endpoints {
  return {
    issuer: options.issuer ?? `oauth2:${options.name}`,
    authorization_endpoint: secureUrl(options.authorizationEndpoint, 'authorizationEndpoint'),
    token_endpoint: secureUrl(options.tokenEndpoint, 'tokenEndpoint'),
    userinfo_endpoint: secureUrl(options.userinfoEndpoint, 'userinfoEndpoint'),
  }
}

interface Party {
  readonly client: () => Promise<Configuration>
  /** Of one exchange, with calls of its own. */
  readonly once: (ask: CustomFetch) => Promise<Configuration>
  readonly ask: CustomFetch
  readonly clock: Clock
  readonly log: Log
  /** Throws PosternError('provider-unavailable'). */
  readonly reach: () => Promise<void>
}

function createLogin(options: OAuth2Options, party: Party): Login {
  const person = createPerson(options)
  const exchange = createExchange(options, party, person)
  return {
    begin: async (start) => {
      if (options.fallback !== undefined) await party.reach()
      return authorization(options, await party.client(), start, party.clock())
    },
    complete: completion(flowOf, exchange),
    ...(options.refresh ? { renew: createPlainRenewal({ ...party, person, userinfoOf }) } : {}),
  }
}

interface Flow extends Demands {
  readonly verifier: string
}
function flowOf(flow: Json): Flow | undefined {
  const { verifier } = (flow ?? {}) as { readonly [key: string]: Json | undefined }
  return typeof verifier === 'string' && verifier !== '' ? { verifier, ...demandsIn(flow) } : undefined
}

/** `max_age` and `acr_values` are OpenID Connect's: sent all the same, some know them, and what comes back is what counts. */
async function authorization(
  options: OAuth2Options,
  configuration: Configuration,
  start: LoginStart,
  now: number,
): Promise<LoginStep> {
  const flow = { verifier: randomPKCECodeVerifier(), ...demandsOf(start, undefined, now) }
  const to = await authorizationUrl(options, configuration, start, {
    prompt: promptOf(options, start),
    max_age: start.maxAge?.toString(),
    acr_values: start.acr,
    scope: options.scope,
    verifier: flow.verifier,
  })
  return { show: { kind: 'redirect', to }, flow }
}

/** Throws what the provider or openid-client objects to. */
function createExchange(options: OAuth2Options, { client, clock }: Party, person: Person) {
  return async (answer: URL, flow: Flow, at: { callback: string; state: string }): Promise<AuthOutcome> => {
    const configuration = await client()
    const { issuer } = configuration.serverMetadata()
    // without a URL of the provider's there is nothing to compare it with
    if (!/^https?:/i.test(issuer)) answer.searchParams.delete('iss')
    const checks = { expectedState: at.state, pkceCodeVerifier: flow.verifier }
    const tokens = await authorizationCodeGrant(configuration, answer, checks, { [exactRedirectUri]: at.callback })
    const said = await userinfoOf(configuration, tokens.access_token)
    if (!said) return failed('userinfo did not answer with a JSON object')
    const now = clock()
    const outcome = await person(said, issuer, now, (claims) => demandTrouble(flow, claims))
    if (outcome.kind !== 'identified') return outcome
    const kept = options.refresh ? { tokens: tokensOf(tokens, now) } : {}
    return { ...outcome, accessToken: tokens.access_token, ...kept }
  }
}

/** What a userinfo answer says of somebody. */
export type Person = (
  said: Claims,
  issuer: string,
  now: Instant,
  troubleOf?: (claims: Claims) => AuthOutcome | undefined,
) => Promise<AuthOutcome>

function createPerson(options: OAuth2Options): Person {
  const account = compileAttribute(options.accountAttribute)
  const groups = compileAttribute(options.groupsAttribute)
  const subject = compileAttribute(options.subjectAttribute)
  return async (said, issuer, now, troubleOf) => {
    const claims = joinClaims({}, said)
    const who = subjectOf(await subject.of(claims).catch(() => undefined))
    if (who === undefined) return failed('the subject attribute is no text and no whole number')
    const trouble = troubleOf?.(claims)
    if (trouble) return trouble
    return identityOf({ ...claims, iss: issuer }, { ...options, account, groups }, now, { issuer, subject: who })
  }
}

/** As the exchange makes it of a userinfo answer. */
function createAssert(options: OAuth2Options, issuer: string): NonNullable<Provider['assert']> {
  const person = createPerson(options)
  return (asserted, now) => person(asserted, issuer, now)
}

/**
 * RFC 6750 section 2.1. Throws where the provider refuses the token or cannot be reached.
 * @param patiently whatever is no answer and no refusal of the token counts as out of reach
 */
async function userinfoOf(configuration: Configuration, accessToken: string, patiently = false): Promise<Claims | undefined> {
  const url = new URL(configuration.serverMetadata().userinfo_endpoint ?? '')
  const headers = new Headers({ accept: 'application/json' })
  const answer = await fetchProtectedResource(configuration, accessToken, url, 'GET', undefined, headers)
  if (answer.status === 200) return fromJson(await answer.text()) as Claims | undefined
  // a limit of requests is a 403 at GitHub: only 401 is about the token
  if (answer.status !== 401 && patiently) throw new Unreachable(`userinfo answered ${answer.status}`, { status: answer.status })
  return undefined
}

/** Beyond 2^53 two numbers, and so two people, are read as one. */
function subjectOf(value: Json | undefined): string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined
  return typeof value === 'string' && value.trim() !== '' && !holdsControls(value) ? value : undefined
}
