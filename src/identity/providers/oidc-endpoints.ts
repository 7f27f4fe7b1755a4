// Where the provider is: read when first needed, healed by the next request after a failure, refreshed behind people's backs.
import type { CustomFetch, ServerMetadata } from 'openid-client'
import { PosternError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Clock, Instant, ProviderStatus } from '../../types.ts'
import { logSafe } from './account.ts'
import { secureUrl } from './endpoint-url.ts'
import { Unreachable } from './oidc-fetch.ts'
import { tenantPlace, type Vendor, vendorOf, wholeIssuer } from './vendor.ts'

export interface EndpointOptions {
  readonly name: string
  readonly issuer?: string
  readonly discoveryUri?: string
  readonly authorizationEndpoint?: string
  readonly tokenEndpoint?: string
  readonly jwksUri?: string
  readonly userinfoEndpoint?: string
  readonly endSessionEndpoint?: string
  readonly userinfo: 'auto' | 'always' | 'never'
  readonly vendor?: Vendor
  readonly allowedTenants?: readonly string[]
}
export interface Endpoints {
  /** Nothing is discovered: that they are known does not say that anybody is there. */
  readonly byHand: boolean
  /** The same object until the provider moves. Throws PosternError('provider-unavailable'). */
  current(): Promise<ServerMetadata>
  status(): ProviderStatus
}

const refreshAfter = 60 * 60 * 1000
const retryAfter = 60 * 1000
/** Signatures anybody can check with the published keys; HS* and `none` never sign an ID token here. */
const asymmetric = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']

/** `timeout` in milliseconds, per call. Throws TypeError where the options name no provider or an http address off loopback. */
export function createEndpoints(
  options: EndpointOptions,
  context: { readonly clock: Clock; readonly log: Log; readonly ask: CustomFetch; readonly timeout: number },
): Endpoints {
  const byHand = handWritten(options)
  refuseEveryTenant(options)
  const from = discoveryUri(options)
  if (from === undefined && !isComplete(byHand)) {
    throw new TypeError('issuer or discoveryUri is needed, or issuer, authorizationEndpoint, tokenEndpoint and jwksUri together')
  }
  let known: Known | undefined
  let pending: Promise<ServerMetadata> | undefined
  let askAgainAt: Instant = 0
  let trouble: string | undefined

  const load = async (): Promise<ServerMetadata> => {
    try {
      const discovered = from === undefined ? {} : await discover(from, context.ask, context.timeout)
      known = newest(known, complete(options, discovered, byHand))
      if (trouble !== undefined) context.log.server('info', 'identity provider is back', { provider: options.name })
      trouble = undefined
      askAgainAt = from === undefined ? Number.POSITIVE_INFINITY : context.clock() + refreshAfter
      return known.metadata
    } catch (error) {
      const detail = error instanceof Unreachable ? error.message : 'the discovery document cannot be used'
      const isNews = trouble !== detail
      if (isNews) context.log.server('warn', 'identity provider is not available', { provider: options.name, detail })
      trouble = detail
      askAgainAt = context.clock() + retryAfter
      throw new PosternError('provider-unavailable', detail, { cause: error })
    }
  }
  const askOnce = () => {
    pending ??= load().finally(() => {
      pending = undefined
    })
    return pending
  }

  return {
    byHand: from === undefined,
    current: async () => {
      if (!known) return askOnce()
      // what is known serves on while the provider is asked again, and stays where it cannot be
      if (context.clock() >= askAgainAt) askOnce().catch(() => undefined)
      return known.metadata
    },
    status: () => {
      const endpoints = known ? { endpoints: shown(known.metadata) } : {}
      const detail = trouble === undefined ? {} : { detail: trouble }
      const state = known ? 'ready' : trouble === undefined ? 'not-asked-yet' : 'unavailable'
      return { state, ...detail, ...endpoints }
    },
  }
}

interface Known {
  readonly metadata: ServerMetadata
  readonly text: string
}
/** The same object while nothing moved: the key set fetched for it stays. Another issuer's people would be other people. */
function newest(known: Known | undefined, metadata: ServerMetadata): Known {
  if (known && known.metadata.issuer !== metadata.issuer) throw new Unreachable('the issuer changed')
  const text = JSON.stringify(metadata)
  return known?.text === text ? known : { metadata, text }
}

const names = {
  authorization_endpoint: 'authorizationEndpoint',
  token_endpoint: 'tokenEndpoint',
  jwks_uri: 'jwksUri',
  userinfo_endpoint: 'userinfoEndpoint',
  end_session_endpoint: 'endSessionEndpoint',
} as const
type Place = keyof typeof names
const places = Object.keys(names) as Place[]

function handWritten(options: EndpointOptions): Partial<ServerMetadata> {
  const written: Record<string, string> = {}
  if (options.issuer !== undefined) written['issuer'] = secureUrl(options.issuer, 'issuer')
  for (const place of places) {
    const url = options[names[place]]
    if (url !== undefined) written[place] = secureUrl(url, names[place])
  }
  return written
}

const isComplete = (metadata: Partial<ServerMetadata>): boolean =>
  Boolean(metadata.issuer && metadata.authorization_endpoint && metadata.token_endpoint && metadata.jwks_uri)

/** Four hand-written addresses need no discovery, unless it is asked for by name. */
function discoveryUri(options: EndpointOptions): string | undefined {
  if (options.discoveryUri !== undefined) return secureUrl(options.discoveryUri, 'discoveryUri')
  if (options.issuer === undefined || isComplete(handWritten(options))) return undefined
  const place = options.issuer.replace(/\/+$/, '').replace(tenantPlace, 'organizations')
  return `${place}/.well-known/openid-configuration`
}

/** Such an issuer signs for everybody who has any tenant. */
function refuseEveryTenant(options: EndpointOptions): void {
  const all = wholeIssuer(options.issuer ?? '', vendorOf(options)).includes(tenantPlace)
  if (all && !options.allowedTenants?.length) throw new TypeError('issuer is for every tenant: allowedTenants is needed')
}

/** OpenID Connect Discovery 1.0 section 4, from whatever address the operator wrote. */
async function discover(uri: string, ask: CustomFetch, timeout: number): Promise<Record<string, unknown>> {
  const answer = await ask(uri, {
    method: 'GET',
    headers: { accept: 'application/json' },
    body: undefined,
    redirect: 'manual',
    signal: AbortSignal.timeout(timeout),
  })
  const place = `the discovery document at ${uri.replace(/\?.*/s, '')}`
  if (answer.status !== 200) throw new Unreachable(`${place} was answered with ${answer.status}`)
  const document: unknown = await answer.json().catch(() => undefined)
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new Unreachable(`${place} is not a JSON object`)
  }
  if (!('issuer' in document)) throw new Unreachable(`${place} names no issuer`)
  return document as Record<string, unknown>
}

/** What is written by hand wins. Everything used is checked here, once. */
function complete(options: EndpointOptions, found: Record<string, unknown>, byHand: Partial<ServerMetadata>): ServerMetadata {
  const vendor = vendorOf(options)
  const said = issuerIn(found['issuer'] ?? byHand.issuer, options)
  const written = options.issuer === undefined ? undefined : wholeIssuer(options.issuer, vendor)
  if (written !== undefined && URL.parse(said)?.href !== URL.parse(written)?.href) {
    throw new Unreachable(`the provider calls itself ${logSafe(said, 200)}, the configuration ${options.issuer}`)
  }
  const metadata: ServerMetadata = { ...found, ...byHand, issuer: said }
  for (const place of places) checkPlace(metadata, place)
  for (const place of ['authorization_endpoint', 'token_endpoint', 'jwks_uri'] as const) {
    if (metadata[place] === undefined) throw new Unreachable(`the provider names no ${place}`)
  }
  if (options.userinfo === 'always' && metadata.userinfo_endpoint === undefined) {
    throw new Unreachable('the provider names no userinfo_endpoint, and it must always be asked')
  }
  return { ...metadata, id_token_signing_alg_values_supported: usable(metadata.id_token_signing_alg_values_supported) }
}

/** The issuer, or the pattern of one per tenant where it is known whose people may come. */
function issuerIn(said: unknown, options: EndpointOptions): string {
  const issuer = typeof said === 'string' ? wholeIssuer(said, vendorOf(options)) : '{}'
  const fixed = options.allowedTenants?.length ? issuer.replace(tenantPlace, '') : issuer
  if (/[{}]/.test(fixed)) throw new Unreachable('the discovery document names no single issuer')
  return issuer
}

function checkPlace(metadata: ServerMetadata, place: Place): void {
  if (metadata[place] === undefined) return
  try {
    secureUrl(String(metadata[place]), place)
  } catch (error) {
    throw new Unreachable(error instanceof Error ? error.message : `${place} cannot be used`, { cause: error })
  }
}

function usable(algorithms: unknown): string[] {
  if (!Array.isArray(algorithms)) return asymmetric
  return algorithms.filter((one): one is string => asymmetric.includes(one))
}

function shown(metadata: ServerMetadata): Record<string, string> {
  const all = ['issuer', ...places].map((key) => [key, metadata[key]])
  return Object.fromEntries(all.filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
