// The code for tokens. openid-client compares `iss` with one text; where a provider has several, the very same answer of the
// token endpoint is judged once more with the one that the token names, if it is one of the provider's.
import {
  authorizationCodeGrant,
  type Configuration,
  type CustomFetch,
  type ServerMetadata,
  type TokenEndpointResponse,
  type TokenEndpointResponseHelpers,
} from 'openid-client'
import type { AuthOutcome } from '../../types.ts'
import { chainOf, failed } from './oidc-answer.ts'
import type { Claims } from './oidc-claims.ts'
import { type Client, shareKeys } from './oidc-client.ts'
import { exactRedirectUri } from './oidc-fetch.ts'
import { type Flow, maxAgeOf } from './oidc-request.ts'
import type { Spellings } from './vendor.ts'

export interface Grant {
  readonly configuration: Configuration
  readonly tokens: TokenEndpointResponse & TokenEndpointResponseHelpers
  readonly idToken: Claims
}
export interface Returned {
  /** The redirect URI with the provider's answer as its query. */
  readonly answer: URL
  readonly flow: Flow
  readonly callback: string
  readonly state: string
}
export interface Party {
  readonly client: Client
  readonly metadata: ServerMetadata
  readonly ask: CustomFetch
  readonly spellings?: Spellings | undefined
}

/** Throws what the provider or openid-client objects to. */
export async function redeem(party: Party, back: Returned): Promise<Grant | AuthOutcome> {
  const { client, metadata, spellings } = party
  return spellings ? redeemOneOf(party, spellings, back) : grant(await client.for(metadata), back.answer, back)
}

async function grant(configuration: Configuration, answer: URL, { flow, callback, state }: Returned): Promise<Grant> {
  const checks = { expectedState: state, expectedNonce: flow.nonce, pkceCodeVerifier: flow.verifier, ...maxAgeOf(flow) }
  const tokens = await authorizationCodeGrant(
    configuration,
    answer,
    { ...checks, idTokenExpected: true },
    { [exactRedirectUri]: callback },
  )
  return { configuration, tokens, idToken: tokens.claims() as unknown as Claims }
}

async function redeemOneOf(party: Party, spellings: Spellings, back: Returned): Promise<Grant | AuthOutcome> {
  const { authorization_response_iss_parameter_supported: promised } = party.metadata
  const said = back.answer.searchParams.get('iss')
  // RFC 9207, before the code goes anywhere: openid-client would compare with one issuer here too
  if (promised && said === null) return failed('response parameter "iss" (issuer) missing')
  if (said !== null && !spellings.has(said)) return failed('unexpected "iss" (issuer) response parameter value')
  const answer = new URL(back.answer)
  answer.searchParams.delete('iss')
  const granted = await judgeOneOf(party, spellings, (configuration) => grant(configuration, answer, back))
  if ('kind' in granted) return granted
  if (said !== null && said !== granted.idToken['iss']) return failed('"iss" of the response is not the ID token\'s')
  return granted
}

/**
 * One answer of the token endpoint, judged with each of the provider's issuers that it may be of. `attempt` asks the token endpoint;
 * however often it runs, only the first question leaves the house.
 */
export async function judgeOneOf<
  Granted extends { readonly configuration: Configuration; readonly idToken?: Claims | undefined },
>(
  { client, metadata, ask }: Party,
  spellings: Spellings,
  attempt: (configuration: Configuration) => Promise<Granted>,
): Promise<Granted | AuthOutcome> {
  const { authorization_response_iss_parameter_supported: _, ...judged } = metadata
  const once = askOnce(ask, metadata.token_endpoint)
  const standing = await client.for(metadata)
  const judge = async (issuer: string): Promise<Granted> => {
    const own = await client.once({ ...judged, issuer }, once)
    shareKeys(standing, own)
    const granted = await attempt(own)
    shareKeys(own, standing)
    return { ...granted, configuration: standing }
  }
  const granted = await judge(metadata.issuer).catch((error: unknown) => {
    const other = issuerFor(error, spellings)
    if (other === undefined || other === metadata.issuer) throw error
    return judge(other)
  })
  // the pattern of many issuers is nobody's, whoever has signed it
  if (granted.idToken && granted.idToken['iss'] !== spellings.of(granted.idToken))
    return failed('unexpected JWT "iss" (issuer) claim value')
  return granted
}

/** The code is spent at most once: whoever asks the token endpoint again gets the same answer. */
function askOnce(ask: CustomFetch, tokenEndpoint: string | undefined): CustomFetch {
  let answer: Promise<Response> | undefined
  return async (url, init) => {
    if (url !== tokenEndpoint) return ask(url, init)
    answer ??= ask(url, init)
    return (await answer).clone()
  }
}

/** Of a token that was refused for its `iss` alone so far: nothing else of it has been believed. */
function issuerFor(error: unknown, spellings: Spellings): string | undefined {
  for (const { cause } of chainOf(error)) {
    const { claim, claims } = (cause ?? {}) as { readonly claim?: unknown; readonly claims?: Claims }
    if (claim === 'iss' && claims) return spellings.of(claims)
  }
  return undefined
}
