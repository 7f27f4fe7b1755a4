// One provider of the configuration -> Provider: what is asked of it, what makes its people who they are.
import { hash } from 'node:crypto'
import { createProvider } from '../identity/providers/index.ts'
import type { Log } from '../log.ts'
import type { Clock, Provider } from '../types.ts'
import type { CompiledEnrolment } from './compile-enrolment.ts'
import { claimsRead } from './compile-judge.ts'
import { compileRules, expressionsOf } from './compile-portal.ts'
import type { CompiledSignOut } from './compile-sign-out.ts'
import type { Loaded } from './load.ts'
import type { Config, ProviderConfig, SignInConfig, WebsealConfig } from './schema.ts'
import { firstProvidersOf, isSignIn, providerNamesOf } from './uris.ts'

export interface ProviderContext {
  readonly log: Log
  readonly clock: Clock
  readonly egressProxy: (url: string) => string | undefined
}
/** What beside rules and headers reads a person as the provider asserts them. */
export interface PersonReaders {
  readonly enrolment: CompiledEnrolment | undefined
  readonly signOut: CompiledSignOut | undefined
}

export function compileProvider(
  config: ProviderConfig,
  loaded: Loaded,
  context: ProviderContext,
  reading: PersonReaders,
): Provider {
  if (config.protocol === 'WEBSEAL') return createProvider(websealOptions(config, loaded.config), context)
  const provider =
    config.protocol === 'LOCAL'
      ? createProvider(config, context)
      : createProvider(signInOptions(config, loaded, context, reading), context)
  return Object.assign(provider, { fingerprint: fingerprintOf(config) })
}

/** What makes a provider's people who they are. With another issuer, client or account of the same name they are others. */
const telling = [
  'protocol',
  'issuer',
  'discoveryUri',
  'authorizationEndpoint',
  'tokenEndpoint',
  'jwksUri',
  'userinfoEndpoint',
  'clientId',
  'subjectAttribute',
  'accountAttribute',
  'accountCase',
  'groupsAttribute',
  'requireVerifiedEmail',
  'allowedTenants',
]
const fingerprintOf = (config: ProviderConfig): string =>
  hash(
    'sha256',
    JSON.stringify([...telling.map((key) => (config as Readonly<Record<string, unknown>>)[key] ?? null), ...shapingOf(config)]),
    'base64url',
  ).slice(0, 12)

/** Whoever was shaped by other profiles is somebody else, too. No header of a call: a secret that is renewed signs nobody out. */
function shapingOf(config: ProviderConfig): readonly unknown[] {
  if (!isSignIn(config)) return []
  const { postLogin, profiles, link } = config
  if (postLogin.length === 0 && profiles === undefined && link === undefined) return []
  return [
    postLogin.map(({ call: { url, method, body }, set, onError }) => [url, method, body ?? null, set, onError]),
    profiles?.map(({ provision: _, ...profile }) => profile) ?? null,
    link ?? null,
  ]
}

function signInOptions(config: SignInConfig, loaded: Loaded, context: ProviderContext, { enrolment, signOut }: PersonReaders) {
  const portals = loaded.config.portals.filter((portal) => providerNamesOf(portal).includes(config.name))
  const expressions = [
    ...portals.flatMap((portal) => expressionsOf(portal, loaded)),
    ...compileRules(config.rules, loaded).map((rule) => rule.expression),
  ]
  const ofCalls = new Set(['token', 'answer', 'status'])
  const wanted = new Set([
    ...claimsRead(expressions),
    ...[...(enrolment?.reads.claims ?? [])].filter((name) => !ofCalls.has(name)),
    ...portals.flatMap(({ name }) => [...(signOut?.reads.get(name)?.claims ?? [])]).filter((name) => name !== 'reason'),
  ])
  // what a profile puts in their place need not come from the provider, which may have too many groups for a token
  const ownGroups = enrolment?.givesGroups === true && !enrolment.reads.facts.has('groups')
  const readsGroups = enrolment?.reads.facts.has('groups') || expressions.some(({ reads }) => reads.facts.has('groups'))
  if (readsGroups && !ownGroups) wanted.add(config.groupsAttribute)
  if (config.verify) wanted.add(config.verify.claim)
  if (config.link) wanted.add('email')
  const anyEndpoint =
    config.protocol === 'OIDC' ? (config.discoveryUri ?? config.issuer ?? config.tokenEndpoint) : config.tokenEndpoint
  const egressProxy =
    anyEndpoint === undefined ? undefined : (loaded.config.server.egressProxy ?? context.egressProxy(anyEndpoint))
  return {
    ...config,
    wantedClaims: wanted,
    ...(ownGroups ? { groupsAttribute: '[]' } : {}),
    ...(egressProxy ? { egressProxy } : {}),
  }
}

/** Nobody named by WebSEAL may sign in where one of its portals offers that; elsewhere the door stays shut. */
function websealOptions(config: WebsealConfig, whole: Config) {
  const others = whole.portals.filter((portal) => firstProvidersOf(portal).includes(config.name)).flatMap(firstProvidersOf)
  const canSignIn = whole.providers.some((provider) => provider.enabled && isSignIn(provider) && others.includes(provider.name))
  return { ...config, onMissing: config.onMissing ?? (canSignIn ? ('login' as const) : ('deny' as const)) }
}
