// Post-login actions, profiles, account links and provisioning of the configuration -> what the sign-in goes through.

import { PosternError } from '../errors.ts'
import { joinReads, type Reads } from '../expression/compile.ts'
import { createAccountLinks } from '../identity/accounts/account-links.ts'
import { createEnrolment, type Enrolment } from '../identity/accounts/enrolment.ts'
import { type CallOptions, createOutboundCall, type OutboundCall } from '../identity/accounts/outbound-call.ts'
import { compilePostLogin } from '../identity/accounts/post-login.ts'
import { compileProfiles } from '../identity/accounts/profiles.ts'
import { createProvisioning } from '../identity/accounts/provisioning.ts'
import type { Log } from '../log.ts'
import type { StateStore } from '../state.ts'
import type { Clock } from '../types.ts'
import type { Config, SignInConfig } from './schema.ts'
import { isSignIn } from './uris.ts'

export interface EnrolmentContext {
  readonly log: Log
  readonly clock: Clock
  /** Absent where nobody signs in, as in a check. */
  readonly state?: StateStore
  readonly egressProxy: (url: string) => string | undefined
}
export interface CompiledEnrolment {
  readonly enrolment: Enrolment
  /** What it reads of the person as the provider asserts them. */
  readonly reads: Reads
  /** Groups are what the profiles say, whatever the provider says. */
  readonly givesGroups: boolean
  readonly close: () => Promise<void>
}

/** By the provider's name; only those that have anything beside rules. Throws ExpressionError or TypeError; the check has looked before. */
export function compileEnrolments(config: Config, context: EnrolmentContext): ReadonlyMap<string, CompiledEnrolment> {
  const wanted = config.providers.filter(isSignIn).filter((provider) => provider.enabled && hasMore(provider))
  return new Map(wanted.map((provider) => [provider.name, compileEnrolment(provider, config, context)] as const))
}

const hasMore = ({ postLogin, profiles, link }: SignInConfig): boolean =>
  postLogin.length > 0 || profiles !== undefined || link !== undefined

function compileEnrolment(provider: SignInConfig, config: Config, context: EnrolmentContext): CompiledEnrolment {
  const calls: OutboundCall[] = []
  const callOf = (options: CallOptions): OutboundCall => {
    const call = createOutboundCall({ ...options, ...proxyFor(options.url, config, context) })
    calls.push(call)
    return call
  }
  const postLogin = provider.postLogin.map((action) => compilePostLogin({ ...action, call: callOf(action.call) }, context.log))
  const profiles = provider.profiles && compileProfiles(provider.profiles, provider.accountCase)
  const provision = (provider.profiles ?? []).flatMap(({ name, provision: call }) =>
    call ? [[name, { call: callOf(call), timeout: call.timeout }] as const] : [],
  )
  const parts = { ...context, store: context.state ?? noState }
  return {
    enrolment: createEnrolment({
      postLogin,
      ...(profiles ? { profiles } : {}),
      ...(provider.link ? { link: { links: createAccountLinks(parts), options: provider.link } } : {}),
      provision: new Map(provision),
      ...(provision.length > 0 ? { provisioning: createProvisioning(parts) } : {}),
    }),
    reads: joinReads([
      ...postLogin.map(({ reads }) => reads),
      ...(profiles ? [profiles.reads] : []),
      ...provision.map(([, { call }]) => call.reads),
    ]),
    givesGroups: provider.profiles?.every(({ groups }) => groups !== undefined) ?? false,
    close: async () => void (await Promise.all(calls.map((call) => call.close()))),
  }
}

/** A portal's own address is reached as its requests reach it: directly. */
export function proxyFor(
  url: string,
  { server, portals }: Config,
  { egressProxy }: Pick<EnrolmentContext, 'egressProxy'>,
): { readonly egressProxy?: string } {
  const origin = /^https?:\/\/[^/?#]+/i.exec(url)?.[0] ?? ''
  if (!URL.canParse(origin)) return {}
  const { hostname } = new URL(origin)
  if (portals.some(({ upstream }) => new URL(upstream).hostname === hostname)) return {}
  const proxy = server.egressProxy ?? egressProxy(origin)
  return proxy === undefined ? {} : { egressProxy: proxy }
}

const unavailable = async (): Promise<never> => {
  throw new PosternError('store-unavailable', 'server.state is not there')
}
const noState: StateStore = { get: unavailable, change: unavailable, list: unavailable, close: async () => undefined }
