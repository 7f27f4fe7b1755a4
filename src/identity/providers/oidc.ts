// Owns the OpenID Connect relying party: the way to the provider, the checks on what comes back, the way out.
// Must not know: cookies, sessions, portals, who asked for the sign-in. It is told state and redirect URI and returns data.
import { type Configuration, fetchUserInfo } from 'openid-client'
import type { Log } from '../../log.ts'
import type { AuthOutcome, Clock, Instant, Json, Login, Provider, RequestView } from '../../types.ts'
import { logSafe } from './account.ts'
import { type AskingOptions, askingOf } from './asking.ts'
import { demandTrouble, shownOf } from './demands.ts'
import { createHealth, type Health } from './health.ts'
import { failed, outcomeOf, readAnswer } from './oidc-answer.ts'
import { type Claims, compileAttribute, identityOf, joinClaims } from './oidc-claims.ts'
import { type Client, type ClientOptions, createClient } from './oidc-client.ts'
import { createEndpoints, type EndpointOptions, type Endpoints } from './oidc-endpoints.ts'
import { createProviderFetch } from './oidc-fetch.ts'
import { type Grant, redeem } from './oidc-grant.ts'
import { authorization, type Flow, flowOf, type RequestOptions, refuseReserved } from './oidc-request.ts'
import { endOf, keepOf } from './oidc-sign-out.ts'
import {
  asksUserinfoWhenMissing,
  plainClaims,
  spellingsOf,
  tenantTrouble,
  type Vendor,
  type VendorOptions,
  vendorOf,
} from './vendor.ts'

export interface OidcOptions extends ClientOptions, EndpointOptions, RequestOptions, AskingOptions, VendorOptions {
  readonly scope: string
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
  refuseReserved(options)
  const { ask, close } = createProviderFetch({ ...options.tls, ...options })
  const timeout = options.callTimeout ?? 5000
  const endpoints = createEndpoints(options, { ...context, ask, timeout })
  const health = createHealth({ ask, clock: context.clock, timeout })
  const party: Party = {
    endpoints,
    health,
    client: createClient(options, { ask: health.ask, timeout }),
    clock: context.clock,
    vendor: vendorOf(options),
  }
  const status = () => health.over(endpoints.status())
  return {
    name: options.name,
    protocol: 'OIDC',
    label: options.label,
    ...(options.credentialsName === undefined ? {} : { credentialsName: options.credentialsName }),
    login: createLogin(options, party),
    asking: askingOf(options),
    assert: createAssert(options, party.vendor),
    status,
    probe: async () => {
      await (endpoints.byHand ? reach(party) : endpoints.current()).catch(() => undefined)
      return status()
    },
    close,
  }
}

interface Party {
  readonly endpoints: Endpoints
  readonly health: Health
  readonly client: Client
  readonly clock: Clock
  readonly vendor: Vendor | undefined
}

/** What is known of the provider may be an hour old: its keys are where it must answer. */
async function reach({ endpoints, health }: Party): Promise<void> {
  const { jwks_uri: keys } = await endpoints.current()
  if (keys !== undefined) await health.ensure(keys)
}

function createLogin(options: OidcOptions, party: Party): Login {
  const { client, endpoints, clock, vendor } = party
  const exchange = createExchange(options, party)
  const configuration = async () => client.for(await endpoints.current())
  return {
    begin: async (start) => {
      // with nowhere else to go, people are better sent to a provider that may be back than kept waiting for a look at it
      if (options.fallback !== undefined) await reach(party)
      return authorization(options, await configuration(), start, { now: clock(), vendor })
    },
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
    end: (session, returnTo) => endOf(options, configuration, session, returnTo),
  }
}

/** The code for tokens, the tokens for claims, the claims for a person. Throws what the provider or openid-client objects to. */
function createExchange(options: OidcOptions, { endpoints, client, health, clock, vendor }: Party) {
  const account = compileAttribute(options.accountAttribute)
  const groups = compileAttribute(options.groupsAttribute)
  const wanted = wantedOf(options, [...account.reads, ...groups.reads])

  return async (answer: URL, flow: Flow, at: { callback: string; state: string }): Promise<AuthOutcome> => {
    const metadata = await endpoints.current()
    const spellings = spellingsOf(metadata.issuer, vendor)
    const granted = await redeem({ client, metadata, spellings, ask: health.ask }, { answer, flow, ...at })
    if ('kind' in granted) return granted
    const now = clock()
    const { idToken } = granted
    const trouble = tokenTrouble(idToken, now) ?? tenantTrouble(idToken, options) ?? demandTrouble(flow, idToken)
    if (trouble) return trouble
    const said = joinClaims(idToken, await userinfoOf(options, granted, wanted, vendor))
    const elsewhere = elsewhereTrouble(idToken, said, wanted)
    if (elsewhere) return elsewhere
    const strength = shownOf(idToken, flow.acr)
    const iss = spellings?.canonical(String(idToken['iss'])) ?? said['iss']
    const claims = plainClaims({ ...said, iss: iss as Json, ...(strength === undefined ? {} : { acr: strength }) }, vendor)
    const outcome = await identityOf(claims, { ...options, account, groups }, now)
    return outcome.kind === 'identified'
      ? {
          ...outcome,
          ...keepOf(options, granted.configuration, granted.tokens.id_token, idToken),
          accessToken: granted.tokens.access_token,
        }
      : outcome
  }
}

/** The checks of the exchange that are about the claims, without those about tokens. */
function createAssert(options: OidcOptions, vendor: Vendor | undefined): NonNullable<Provider['assert']> {
  const account = compileAttribute(options.accountAttribute)
  const groups = compileAttribute(options.groupsAttribute)
  return async (asserted, now) => {
    const said = { iss: options.issuer ?? `oidc:${options.name}`, ...joinClaims(asserted, {}) }
    const trouble = tenantTrouble(said, options)
    if (trouble) return trouble
    return identityOf(plainClaims(said, vendor), { ...options, account, groups }, now)
  }
}

function wantedOf(options: OidcOptions, reads: readonly string[]): ReadonlySet<string> {
  const wanted = new Set([...options.wantedClaims, ...reads])
  if (options.verify) wanted.add(options.verify.claim)
  // an address that is read is read with what is said of it: a false one in userinfo alone refuses too
  if (options.requireVerifiedEmail || wanted.has('email')) wanted.add('email_verified')
  return wanted
}

/** What openid-client lets pass. An empty subject would be everybody whom the provider forgot to name. */
function tokenTrouble(idToken: Claims, now: Instant): AuthOutcome | undefined {
  if (idToken['sub'] === '') return failed('JWT "sub" (subject) is empty')
  return Number(idToken['iat']) > now / 1000 + clockTolerance ? failed('JWT "iat" (issued at) lies in the future') : undefined
}

/**
 * Distributed claims (OpenID Connect Core section 5.6.2), as Entra writes them for people in too many groups: to go on without
 * what a rule reads would be to decide on less than there is.
 */
function elsewhereTrouble(idToken: Claims, said: Claims, wanted: ReadonlySet<string>): AuthOutcome | undefined {
  const names = idToken['_claim_names']
  if (typeof names !== 'object' || names === null) return undefined
  const missing = Object.keys(names).find((name) => wanted.has(name) && said[name] === undefined)
  return missing === undefined
    ? undefined
    : failed(`the claim ${logSafe(missing, 80)} is not in the token but kept elsewhere (too many groups?)`)
}

async function userinfoOf(
  options: OidcOptions,
  { configuration, tokens, idToken }: Grant,
  wanted: ReadonlySet<string>,
  vendor: Vendor | undefined,
): Promise<Claims> {
  if (!asksUserinfo(options, configuration, idToken, wanted, vendor)) return {}
  return (await fetchUserInfo(configuration, tokens.access_token, String(idToken['sub']))) as Claims
}

function asksUserinfo(
  options: OidcOptions,
  configuration: Configuration,
  idToken: Claims,
  wanted: ReadonlySet<string>,
  vendor: Vendor | undefined,
): boolean {
  if (options.userinfo === 'never' || configuration.serverMetadata().userinfo_endpoint === undefined) return false
  if (options.userinfo === 'always') return true
  return asksUserinfoWhenMissing(vendor) && [...wanted].some((claim) => (idToken[claim] ?? undefined) === undefined)
}
