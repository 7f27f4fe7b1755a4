// The authorization request: what the provider is asked, and what must be remembered until the person comes back.
import {
  buildAuthorizationUrl,
  type Configuration,
  calculatePKCECodeChallenge,
  randomNonce,
  randomPKCECodeVerifier,
} from 'openid-client'
import type { Json, LoginStart, LoginStep } from '../../types.ts'

export interface RequestOptions {
  readonly scope: string
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

/** What must be known again when the person comes back. Sealed by whoever calls. */
export interface Flow {
  readonly nonce: string
  readonly verifier: string
  readonly maxAge?: number
}

export const maxAgeOf = ({ maxAge }: { readonly maxAge?: number }) => (maxAge === undefined ? {} : { maxAge })

export function flowOf(flow: Json): Flow | undefined {
  const { nonce, verifier, maxAge } = (flow ?? {}) as { readonly [key: string]: Json | undefined }
  if (typeof nonce !== 'string' || typeof verifier !== 'string' || nonce === '' || verifier === '') return undefined
  return { nonce, verifier, ...(typeof maxAge === 'number' ? { maxAge } : {}) }
}

/** The way to the provider, and what to remember. */
export async function authorization(
  options: RequestOptions,
  configuration: Configuration,
  start: LoginStart,
): Promise<LoginStep> {
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
