// Owns the OpenID Connect relying party: the way to the provider, the checks on what comes back, the way out.
// Must not know: cookies, sessions, portals, who asked for the sign-in. It is told state and redirect URI and returns data.
import type { Log } from '../../log.ts'
import type { AuthOutcome, Clock, Json, Login, Provider } from '../../types.ts'
import { type AskingOptions, askingOf } from './asking.ts'
import { demandTrouble, shownOf } from './demands.ts'
import { createHealth, type Health } from './health.ts'
import { completion } from './oidc-answer.ts'
import { joinClaims } from './oidc-claims.ts'
import { type Client, type ClientOptions, createClient } from './oidc-client.ts'
import { createEndpoints, type EndpointOptions, type Endpoints } from './oidc-endpoints.ts'
import { createProviderFetch } from './oidc-fetch.ts'
import { redeem } from './oidc-grant.ts'
import { createIssuerOf, createLogoutTokenReader } from './oidc-logout-token.ts'
import { createReader, type Reader } from './oidc-person.ts'
import { createRenewal, withFirstWords } from './oidc-renewal.ts'
import { authorization, type Flow, flowOf, type RequestOptions, refuseReserved } from './oidc-request.ts'
import { endOf, keepOf } from './oidc-sign-out.ts'
import { tokensOf } from './oidc-tokens.ts'
import { spellingsOf, tenantTrouble, type Vendor, type VendorOptions, vendorOf } from './vendor.ts'

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
  /** Tokens are given for the session, and renewed. */
  readonly refresh?: boolean
  /** Claims that rules, headers or the account read: where the ID token lacks one, userinfo is asked. */
  readonly wantedClaims: ReadonlySet<string>
  readonly tls?: { readonly ca?: string }
  readonly egressProxy?: string
  /** Comma-separated, as in NO_PROXY. */
  readonly noProxy?: string
  /** Milliseconds per call to the provider; default 5000. */
  readonly callTimeout?: number
}

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
  const vendor = vendorOf(options)
  const party: Party = {
    endpoints,
    health,
    client: createClient(options, { ask: health.ask, timeout }),
    clock: context.clock,
    vendor,
    reader: createReader(options, vendor),
    log: context.log,
  }
  const status = () => health.over(endpoints.status())
  return {
    name: options.name,
    protocol: 'OIDC',
    label: options.label,
    ...(options.credentialsName === undefined ? {} : { credentialsName: options.credentialsName }),
    login: createLogin(options, party),
    asking: askingOf(options),
    assert: createAssert(options, party.reader),
    status,
    probe: async () => {
      await (endpoints.byHand ? reach(party) : endpoints.current()).catch(() => undefined)
      return status()
    },
    close,
  }
}

export interface Party {
  readonly endpoints: Endpoints
  readonly health: Health
  readonly client: Client
  readonly clock: Clock
  readonly vendor: Vendor | undefined
  readonly reader: Reader
  readonly log: Log
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
    complete: completion(flowOf, exchange),
    ...(options.refresh ? { renew: createRenewal(options, party) } : {}),
    readLogoutToken: createLogoutTokenReader({
      ...options,
      ...party,
      ask: party.health.ask,
      timeout: options.callTimeout ?? 5000,
    }),
    issuerOf: createIssuerOf(options, endpoints, vendor),
    end: (session, returnTo) => endOf(options, configuration, session, returnTo),
  }
}

/** The code for tokens, the tokens for claims, the claims for a person. Throws what the provider or openid-client objects to. */
function createExchange(options: OidcOptions, { endpoints, client, health, clock, vendor, reader }: Party) {
  return async (answer: URL, flow: Flow, at: { callback: string; state: string }): Promise<AuthOutcome> => {
    const metadata = await endpoints.current()
    const spellings = spellingsOf(metadata.issuer, vendor)
    const granted = await redeem({ client, metadata, spellings, ask: health.ask }, { answer, flow, ...at })
    if ('kind' in granted) return granted
    const now = clock()
    const { idToken, configuration, tokens } = granted
    const trouble = reader.troubleOf(idToken, now) ?? demandTrouble(flow, idToken)
    if (trouble) return trouble
    const userinfo = await reader.userinfo(configuration, tokens.access_token, idToken)
    const said = joinClaims(idToken, userinfo)
    const elsewhere = reader.elsewhereTrouble(idToken, said)
    if (elsewhere) return elsewhere
    const strength = shownOf(idToken, flow.acr)
    const iss = spellings?.canonical(String(idToken['iss'])) ?? said['iss']
    const claims = { ...said, iss: iss as Json, ...(strength === undefined ? {} : { acr: strength }) }
    const outcome = await reader.identify(claims, now)
    if (outcome.kind !== 'identified') return outcome
    const { keep } = keepOf(options, configuration, tokens.id_token, idToken)
    const accessToken = tokens.access_token
    if (!options.refresh) return { ...outcome, ...(keep === undefined ? {} : { keep }), accessToken }
    return { ...outcome, keep: withFirstWords(keep, claims, userinfo), accessToken, tokens: tokensOf(tokens, now) }
  }
}

/** The checks of the exchange that are about the claims, without those about tokens. */
function createAssert(options: OidcOptions, reader: Reader): NonNullable<Provider['assert']> {
  return async (asserted, now) => {
    const said = { iss: options.issuer ?? `oidc:${options.name}`, ...joinClaims(asserted, {}) }
    return tenantTrouble(said, options) ?? reader.identify(said, now)
  }
}
