// Why a request is decided as it is. Asks the very generation and the very `decide` that serve; only who is asking is given
// instead of found. Owns the telling; must not know how anything is decided.
import { decide } from '../decide.ts'
import { canonicalPath, splitTarget } from '../destination/canonical-path.ts'
import { describe, PosternError, type Reason } from '../errors.ts'
import type { Decision, Generation, Identity, Portal, Provider, RequestView, Route } from '../types.ts'
import { assertedBy, claimsOf, nobody, providerOf, withAdded } from './asserted.ts'
import { type Explanation, WrongQuestion } from './explanation.ts'
import type { Foreseeing } from './foresight.ts'
import type { Question } from './question.ts'

export interface Explainable {
  readonly generation: Generation & Foreseeing
  /** The identity as a session would hold it. */
  readonly trim: (identity: Identity) => Identity
}

/** What `tell` says it of. */
export interface Told {
  readonly decided: Pick<Decision, 'kind' | 'reason'> & {
    readonly identity?: Identity | undefined
    readonly rule?: string | undefined
    readonly message?: string | undefined
    readonly detail?: string | undefined
    readonly headers?: readonly string[]
    readonly redirect?: boolean
  }
  readonly request: RequestView
  readonly portal?: Portal | undefined
  readonly route?: Route | undefined
  readonly at: number
  readonly notes: readonly string[]
  /** Whose rules were asked, where that is not the request's own route. */
  readonly rulesOf?: Route | undefined
  /** Of a remembered refusal: members of `request` that are not kept. */
  readonly unknown?: ReadonlySet<string>
}

/** Throws WrongQuestion where portal or provider are none of this configuration's. */
export async function explain(question: Question, { generation, trim }: Explainable): Promise<Explanation> {
  const named = generation.portals.get(question.portal)
  if (!named)
    throw new WrongQuestion(`there is no portal of this name  → write one of ${[...generation.portals.keys()].join(', ')}`)
  const provider = question.claims && providerOf(named, question.provider)
  const target = splitTarget(question.path)
  const canonical = target && canonicalPath(target.path)
  const request = requestOf(
    question,
    named,
    canonical?.path ?? question.path.split('?')[0] ?? '',
    target?.query ?? '',
    canonical?.encodedSlash,
  )
  if (!canonical) {
    const decided = { kind: 'deny', reason: 'path-refused', detail: 'the path is not in canonical form' } as const
    return tell({ decided, request, at: question.at, notes: [] })
  }
  const portal = generation.findPortal(request.host, request.path)
  const foresight = provider && generation.foresee?.(provider.name)
  const entrance = { portal: (portal ?? named).name, request, now: question.at }
  const shape = async (identity: Identity) =>
    trim(foresight ? await foresight.shape(withAdded(identity, foresight, question), entrance) : identity)
  const who = provider ? await assertedBy(provider, claimsOf(question, foresight), question.at, shape) : nobody
  const decided = await decideFor(request, { ...generation, identify: () => who }, question.at)
  const route = portal && generation.findRoute(portal, request.path, request.method)
  return tell({
    decided: { ...decided, identity: decided.identity ?? who.person },
    request,
    portal,
    route,
    at: question.at,
    notes: [
      ...elsewhere(named, portal),
      ...(provider ? unchecked(provider) : []),
      ...(foresight?.notes(question.claims ?? {}) ?? []),
    ],
  })
}

/** What is thrown on the way refuses the request, as it does at the door. */
async function decideFor(request: RequestView, generation: Generation, at: number): Promise<Told['decided']> {
  try {
    return await decide(request, generation, at)
  } catch (error) {
    if (error instanceof PosternError) return { kind: 'deny', reason: error.reason, detail: error.detail }
    return { kind: 'deny', reason: 'internal', detail: 'it could not be decided' }
  }
}

function requestOf(
  { method, clientIp }: Question,
  portal: Portal,
  path: string,
  query: string,
  encodedSlash = false,
): RequestView {
  return {
    id: '',
    method,
    host: new URL(portal.origin).hostname,
    path,
    query,
    cookies: '',
    lines: () => [],
    peer: { address: '', isTrustedProxy: false, certificateNames: [] },
    clientAddress: clientIp,
    navigation: method === 'GET' || method === 'HEAD',
    encodedSlash,
  }
}

const elsewhere = (named: Portal, found: Portal | undefined): readonly string[] =>
  found && found !== named ? [`this path of ${named.name}'s host belongs to the portal ${found.name}`] : []

const unchecked = ({ asking, name }: Provider): readonly string[] =>
  asking?.verify
    ? [`${name} also holds the claim ${asking.verify.claim} against \`verify\` at the sign-in: not looked at here`]
    : []

/** The decision with everything that led to it. Never rejects. */
export async function tell(told: Told): Promise<Explanation> {
  const { decided, request, portal, route, at, notes, rulesOf = route } = told
  const { kind, reason, identity, message, headers = [] } = decided
  // where nobody is asked, no rule is either
  const isAsked = rulesOf?.access === 'authenticated' || rulesOf?.access === 'optional'
  const judged = isAsked && kind !== 'own' && reason !== 'break-glass' && !beforeTheRules.has(reason) ? identity : undefined
  const rules = (await rulesOf?.explain?.(judged, request, at, told.unknown)) ?? []
  return {
    decision: kind,
    reason,
    ...statusOf(told),
    why: whyOf(told),
    ...(decided.rule ? { rule: decided.rule } : {}),
    ...(message === undefined ? {} : { message }),
    request: {
      ...(request.id === '' ? {} : { id: request.id }),
      method: request.method,
      path: request.path,
      at: timeOf(at),
      clientIp: request.clientAddress,
    },
    ...(portal ? { portal: { name: portal.name, publicUrl: portal.origin, mode: portal.mode } } : {}),
    ...(route
      ? { route: { path: route.pattern, access: route.access, ...(route.methods ? { methods: [...route.methods] } : {}) } }
      : {}),
    ...(identity ? { person: personOf(identity) } : {}),
    rules,
    ...freshnessOf(route, kind, reason),
    ...(portal && judged ? await conditionsOf(portal, judged, told) : { secondFactors: [] }),
    headers: headers.flatMap((name, index) => (index % 2 === 0 ? [{ name, value: headers[index + 1] ?? '' }] : [])),
    notes,
  }
}

/** Whoever was stopped here has not come to the rules, and these would read somebody half made. */
const beforeTheRules: ReadonlySet<Reason> = new Set([
  'post-login-refused',
  'post-login-failed',
  'no-profile',
  'account-missing',
  'link-conflict',
  'email-not-verified',
])

const timeOf = (instant: number): string => new Date(Number.isFinite(instant) ? instant : 0).toISOString()

function statusOf({ decided: { kind, reason, redirect } }: Told): { readonly status?: number } {
  if (kind === 'allow' || kind === 'own') return {}
  return { status: redirect ? 302 : describe(reason).status }
}

function whyOf({ decided: { reason, rule, detail } }: Told): string {
  const sentence = describe(reason).sentence
  if (!rule) return detail === undefined ? sentence : `${sentence} (${detail})`
  return `${reason === 'rule-failed' ? `the rule ${rule} failed` : `the rule ${rule} says no`}${detail === undefined ? '' : `: ${detail}`}`
}

const personOf = ({ provider, account, groups, authenticatedAt, assurance }: Identity) => ({
  provider,
  account,
  groups,
  authenticatedAt: timeOf(authenticatedAt),
  ...(assurance === undefined ? {} : { acr: assurance }),
})

const notFresh: ReadonlySet<Reason> = new Set(['sign-in-not-fresh', 'assurance-too-low', 'provider-not-enough'])

/** Whether it holds is what the decision says: it was asked where this person got as far as that. */
function freshnessOf(route: Route | undefined, kind: Decision['kind'], reason: Reason): Pick<Explanation, 'freshness'> {
  const wanted = route?.freshness
  if (!wanted) return {}
  const { maxAge, acr, providers } = wanted
  const holds = notFresh.has(reason)
    ? false
    : (kind === 'allow' && reason !== 'break-glass') || reason === 'second-factor-needed'
      ? true
      : undefined
  return {
    freshness: {
      ...(maxAge === undefined ? {} : { reauthenticate: maxAge === 'every' ? maxAge : `${maxAge / 1000}s` }),
      ...(acr === undefined ? {} : { acr }),
      ...(providers === undefined ? {} : { providers: [...providers] }),
      ...(holds === undefined ? {} : { holds }),
    },
  }
}

async function conditionsOf(portal: Portal, identity: Identity, { request, at, unknown }: Told) {
  const condition = portal.conditions.get(identity.provider)
  const secondFactors = []
  for (const { provider, after, when } of portal.secondFactors) {
    if (after !== identity.provider || unknown) continue
    secondFactors.push({ provider: provider.name, needed: when ? await when(identity, request, at) : true })
  }
  if (!condition || unknown) return { secondFactors }
  return { condition: { provider: identity.provider, holds: await condition(undefined, request, at) }, secondFactors }
}
