// The authorization request: what the provider is asked, and what must be remembered until the person comes back.
import {
  buildAuthorizationUrl,
  type Configuration,
  calculatePKCECodeChallenge,
  randomNonce,
  randomPKCECodeVerifier,
} from 'openid-client'
import type { Instant, Json, LoginStart, LoginStep } from '../../types.ts'
import { claimsToAsk, type Demands, demandsIn, demandsOf, maxAgeToAsk } from './demands.ts'
import { plainPrompt, type Vendor } from './vendor.ts'

export interface RequestOptions {
  readonly authorizationParameters?: Readonly<Record<string, string>>
  readonly prompt?: string
  /** Seconds. */
  readonly maxAge?: number
  readonly acrValues?: string
}

/** Parameters of the authorization request that nobody configures: changing one would undo a check. */
export const reservedParameters: ReadonlySet<string> = new Set([
  'client_id',
  'response_type',
  'response_mode',
  'redirect_uri',
  'scope',
  'state',
  'nonce',
  'code_challenge',
  'code_challenge_method',
  'request',
  'request_uri',
  'max_age',
])

/** Throws TypeError where the operator's parameters would undo a check. */
export function refuseReserved({ authorizationParameters }: RequestOptions): void {
  const reserved = Object.keys(authorizationParameters ?? {}).find((name) => reservedParameters.has(name))
  if (reserved) throw new TypeError(`authorizationParameters must not set ${reserved}`)
}

/** What must be known again when the person comes back. Sealed by whoever calls. */
export interface Flow extends Demands {
  readonly nonce: string
  readonly verifier: string
  /** Seconds. */
  readonly maxAge?: number
}

export const maxAgeOf = ({ maxAge }: { readonly maxAge?: number }) => (maxAge === undefined ? {} : { maxAge })

export function flowOf(flow: Json): Flow | undefined {
  const { nonce, verifier, maxAge } = (flow ?? {}) as { readonly [key: string]: Json | undefined }
  if (typeof nonce !== 'string' || typeof verifier !== 'string' || nonce === '' || verifier === '') return undefined
  return { nonce, verifier, ...(typeof maxAge === 'number' ? { maxAge } : {}), ...demandsIn(flow) }
}

/** The way to the provider, and what to remember. */
export async function authorization(
  options: RequestOptions & { readonly scope: string },
  configuration: Configuration,
  start: LoginStart,
  at: { readonly now: Instant; readonly vendor?: Vendor | undefined },
): Promise<LoginStep> {
  const demands = demandsOf(start, options.acrValues, at.now)
  // who was asked since the start is fresh enough, however long they took on the way back
  const maxAge = start.fresh ? undefined : (start.maxAge ?? options.maxAge)
  const remembered = maxAge === undefined ? {} : { maxAge }
  const flow = { nonce: randomNonce(), verifier: randomPKCECodeVerifier(), ...demands, ...remembered }
  const to = await authorizationUrl(options, configuration, start, {
    ...wishesOf(options, start, demands, at.vendor),
    scope: withOpenid(options.scope),
    nonce: flow.nonce,
    verifier: flow.verifier,
  })
  return { show: { kind: 'redirect', to }, flow }
}

/** What may be wished for without being a check: a later one of the same name wins over the operator's. */
function wishesOf(
  options: RequestOptions,
  start: LoginStart,
  demands: Demands,
  vendor: Vendor | undefined,
): Readonly<Record<string, string | undefined>> {
  return {
    prompt: plainPrompt(promptOf(options, start), vendor),
    max_age: maxAgeToAsk(start, options.maxAge)?.toString(),
    acr_values: demands.acr,
    claims: claimsToAsk(demands, vendor, start.extra?.['claims'] ?? options.authorizationParameters?.['claims']),
  }
}

export const promptOf = (options: RequestOptions, start: LoginStart): string | undefined =>
  start.prompt ?? (start.fresh ? 'login' : options.prompt)

/** RFC 6749 section 4.1.1 with PKCE (RFC 7636): always, a provider that does not know it ignores it. */
export async function authorizationUrl(
  { authorizationParameters }: RequestOptions,
  configuration: Configuration,
  start: LoginStart,
  { verifier, ...own }: Readonly<Record<string, string | undefined>> & { readonly verifier: string },
): Promise<string> {
  const extra = Object.entries(start.extra ?? {}).filter(([name]) => !reservedParameters.has(name))
  const asked = Object.entries({ login_hint: start.loginHint, ...own })
  const to = buildAuthorizationUrl(configuration, {
    ...authorizationParameters,
    ...Object.fromEntries(extra),
    ...Object.fromEntries(asked.filter((entry): entry is [string, string] => entry[1] !== undefined)),
    response_type: 'code',
    redirect_uri: start.callback,
    state: start.state,
    code_challenge: await calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  return to.href
}

function withOpenid(scope: string): string {
  const scopes = scope.split(/\s+/).filter(Boolean)
  return (scopes.includes('openid') ? scopes : ['openid', ...scopes]).join(' ')
}
