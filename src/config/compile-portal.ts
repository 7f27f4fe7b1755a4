// One portal of the configuration -> Portal: routes, rules, headers and cookie, ready to serve.

import { compileRanges } from '../addresses.ts'
import { compileFindRoute, compilePattern, type Matched } from '../destination/find-portal.ts'
import { compileExpression, type Expression } from '../expression/compile.ts'
import type { Metrics } from '../metrics.ts'
import type { Rule } from '../permission/permit.ts'
import { compileHeaderPlan } from '../rewrite/plan-headers.ts'
import type {
  BreakGlass,
  Condition,
  Freshness,
  Portal,
  Provider,
  RequestView,
  Route,
  RuleOwner,
  SecondFactor,
  SessionRules,
} from '../types.ts'
import { compileCondition } from './compile-conditions.ts'
import { compileAdmit, compileExplain, compileJudge, type JudgeParts } from './compile-judge.ts'
import type { Loaded } from './load.ts'
import type { Config, PortalConfig, RouteConfig, RuleReference } from './schema.ts'
import { firstProvidersOf, publicUrlOf, redirectUriOf } from './uris.ts'

export interface CompiledPortal {
  readonly portal: Portal
  readonly host: string
  readonly findRoute: (path: string, method: string) => Route | undefined
}

/** Named rules are read from their files, the others stand in the configuration. Throws ExpressionError; load.ts has checked before. */
export function compileRules(references: readonly RuleReference[], loaded: Loaded, of: RuleOwner = 'portal'): readonly Rule[] {
  return references.map((reference) => {
    const found = loaded.rules.get(typeof reference === 'string' ? reference : reference.name)
    const origin = { of, ...(found ? { place: { file: found.file, line: found.position.line } } : {}) }
    if (typeof reference !== 'string') {
      return {
        name: reference.name,
        expression: compileExpression(reference.when, 'rule'),
        ...(reference.message ? { message: reference.message } : {}),
        ...origin,
      }
    }
    if (!found) throw new Error(`rule ${reference} has no file`)
    return {
      name: reference,
      expression: compileExpression(found.source, 'rule'),
      ...(found.message ? { message: found.message } : {}),
      ...origin,
    }
  })
}

/** Every expression that sees the facts of somebody at this portal. */
export function expressionsOf(config: PortalConfig, loaded: Loaded): readonly Expression[] {
  const rules = [...compileRules(config.rules, loaded), ...config.routes.flatMap((route) => compileRules(route.rules, loaded))]
  const headers = Object.values(config.headers).map((header) =>
    compileExpression(typeof header === 'string' ? header : header.value, 'value'),
  )
  return [...rules.map((rule) => rule.expression), ...headers]
}

export function compilePortal(
  config: PortalConfig,
  loaded: Loaded,
  providers: ReadonlyMap<string, Provider>,
  providerRules: ReadonlyMap<string, readonly Rule[]>,
  metrics: Metrics,
  enforced: boolean,
): CompiledPortal {
  const whole = loaded.config
  const origin = publicUrlOf(config, whole)
  const own = firstProvidersOf(config)
    .map((name) => providers.get(name))
    .filter((provider) => provider !== undefined)
  const parts = {
    portal: config.name,
    mode: config.mode,
    providerRules: new Map(own.map((provider) => [provider.name, providerRules.get(provider.name) ?? []] as const)),
    headers: compileHeaderPlan(config.headers, config.headerEncoding),
    onRule: metrics.rule,
    seenBy: seenBy(own),
  }
  const portalRules = compileRules(config.rules, loaded)
  const matched = config.routes.map(
    (route): Matched => ({
      route: compileRoute(route, parts, portalRules, loaded),
      matches: compilePattern(route.path, {
        pathCase: config.pathCase,
        closingSlash: route.access === 'blocked' || route.access === 'authenticated',
      }),
    }),
  )
  const fallback = compileRoute(undefined, parts, portalRules, loaded)
  const byDefault = whole.providers.find(
    (provider) => provider.default && provider.enabled && firstProvidersOf(config).includes(provider.name),
  )?.name
  const upstreamTls = config.upstreamTls
  const secondFactors = compileSecondFactors(config, providers, providerRules, metrics)
  const glass = breakGlassOf(config, enforced)

  const portal: Portal = {
    name: config.name,
    origin,
    path: config.path,
    upstream: new URL(config.upstream),
    ...(upstreamTls ? { upstreamTls } : {}),
    providers: own,
    ...(byDefault ? { defaultProvider: byDefault } : {}),
    secondFactors,
    conditions: compileConditions(config),
    ...(glass ? { breakGlass: glass } : {}),
    routes: [...matched.map(({ route }) => route), fallback],
    session: sessionRules(config, whole, origin),
    preserveHost: config.preserveHost,
    authorization: config.authorization,
    pathCase: config.pathCase,
    allowedOrigins: new Set(config.allowedOrigins),
    compat: config.compat,
    mode: config.mode,
    healthPath: config.healthCheck.path,
    healthTimeout: config.healthCheck.timeout,
    ...(config.accessTokenHeader === undefined ? {} : { accessTokenHeader: config.accessTokenHeader }),
    redirectUris: new Map(
      [...own, ...secondFactors.map(({ provider }) => provider)]
        .filter((provider) => provider.login)
        .map((provider) => [provider.name, redirectUriOf(provider.name, config, whole)] as const),
    ),
    admit: compileAdmit({ ...parts, rules: portalRules }),
  }
  return {
    portal,
    host: config.host ?? new URL(origin).hostname,
    findRoute: compileFindRoute(matched, fallback, config.pathCase),
  }
}

function compileRoute(
  config: RouteConfig | undefined,
  parts: Omit<JudgeParts, 'rules'>,
  portalRules: readonly Rule[],
  loaded: Loaded,
): Route {
  const rules = [...portalRules, ...(config ? compileRules(config.rules, loaded, 'route') : [])]
  return {
    pattern: config?.path ?? '',
    access: config?.access ?? 'authenticated',
    ...(config?.message ? { message: config.message } : {}),
    ...(config?.methods ? { methods: new Set(config.methods) } : {}),
    ...(config?.challenge ? { challenge: config.challenge } : {}),
    preflight: config?.preflight ?? 'judge',
    extendsSession: config?.extendsSession ?? true,
    endsSession: config?.endsSession ?? false,
    hasOwnRules: (config?.rules.length ?? 0) > 0,
    ...freshnessOf(config),
    encodedSlash: config?.encodedSlash ?? 'refuse',
    judge: compileJudge({ ...parts, rules }),
    explain: compileExplain({ ...parts, rules }),
  }
}

function freshnessOf(config: RouteConfig | undefined): { readonly freshness?: Freshness } {
  const { reauthenticate, acr, providers } = config ?? {}
  const maxAge = reauthenticate === undefined || reauthenticate === 'session' ? undefined : reauthenticate
  if (maxAge === undefined && acr === undefined && providers === undefined) return {}
  return {
    freshness: {
      ...(maxAge === undefined ? {} : { maxAge }),
      ...(acr === undefined ? {} : { acr }),
      ...(providers === undefined ? {} : { providers: new Set(providers) }),
    },
  }
}

function compileConditions(config: PortalConfig): ReadonlyMap<string, Condition> {
  const own = config.providers.filter(({ after }) => after === undefined)
  return new Map(
    own.flatMap(({ name, when }) =>
      when === undefined ? [] : [[name, compileCondition(compileExpression(when, 'rule'), config.name, false)] as const],
    ),
  )
}

function compileSecondFactors(
  config: PortalConfig,
  providers: ReadonlyMap<string, Provider>,
  providerRules: ReadonlyMap<string, readonly Rule[]>,
  metrics: Metrics,
): readonly SecondFactor[] {
  return config.providers.flatMap(({ name, after, when }) => {
    const provider = providers.get(name)
    if (after === undefined || !provider) return []
    const own = providerRules.get(name) ?? []
    const parts = {
      portal: config.name,
      mode: config.mode,
      providerRules: new Map([[name, own]]),
      rules: [],
      onRule: metrics.rule,
      seenBy: seenBy([provider]),
    }
    return [
      {
        provider,
        after,
        ...(own.length === 0 ? {} : { admit: compileAdmit(parts) }),
        ...(when === undefined ? {} : { when: compileCondition(compileExpression(when, 'rule'), config.name, true) }),
      },
    ]
  })
}

function breakGlassOf({ enforceLocal }: PortalConfig, enforced: boolean): BreakGlass | undefined {
  if (enforced) return { holdsFor: () => true }
  if (enforceLocal === false) return undefined
  const { from, until } = enforceLocal
  const isInside = from === undefined ? undefined : compileRanges(from)
  // an address that is not known is not on any list
  const holdsFor = (address: string | null) => isInside === undefined || (address !== null && isInside(address))
  return { holdsFor, ...(until === undefined ? {} : { until }) }
}

/** The cookie is named after the portal; characters a cookie name or our chunk suffixes cannot bear are written as `%XX`. */
function sessionRules(config: PortalConfig, whole: Config, origin: string): SessionRules {
  const secure = origin.startsWith('https:')
  const { group } = config.session
  const suffix = (group ?? config.name).replace(/[. ]/g, (character) => (character === '.' ? '%2E' : '%20'))
  const sameSite = whole.session.cookie.sameSite === 'none' ? 'None' : 'Lax'
  return {
    audience: group === undefined ? config.name : `group:${group}`,
    cookieName: `${cookieBase(whole, secure)}-${suffix}`,
    idle: config.session.idle ?? whole.session.idle,
    lifetime: config.session.lifetime ?? whole.session.lifetime,
    idleRequiresSignIn: config.session.idleRequiresSignIn ?? whole.session.idleRequiresSignIn,
    cookieAttributes: `Path=/; HttpOnly; SameSite=${sameSite}${secure ? '; Secure' : ''}`,
  }
}

/** RFC 6265bis section 4.1.3.2: `__Host-` keeps a sibling host from planting our cookie. */
export const cookieBase = (config: Config, secure: boolean): string =>
  config.session.cookie.name === 'auto' ? (secure ? '__Host-postern' : 'postern') : config.session.cookie.name

/** Where a trusted source names the client's address, the rules see that one. */
function seenBy(providers: readonly Provider[]): (request: RequestView, provider: string) => RequestView {
  return (request, name) => {
    const address = providers.find((provider) => provider.name === name)?.clientAddressOf?.(request)
    return address === undefined ? request : Object.create(request, { clientAddress: { value: address } })
  }
}
