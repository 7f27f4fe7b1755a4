// Coming back from a provider: is this the sign-in that this browser began here, who is it, may they in? A session is made only at
// the very end. Knows flows and sessions; what the answer of a provider means is the provider's own business.
import { PosternError, type Reason } from '../errors.ts'
import type {
  Answer,
  AuthOutcome,
  Failure,
  Identity,
  Instant,
  Portal,
  Provider,
  RequestView,
  Session,
  Verdict,
} from '../types.ts'
import { type FlowRecord, type FlowState, flowLifetime } from './flow.ts'
import { returnAddress } from './return-address.ts'
import {
  choicesOf,
  chooserPath,
  type LoginProvider,
  loginProviders,
  note,
  redirect,
  redirection,
  refuse,
  type SignInContext,
  startPath,
} from './sign-in-context.ts'

/** One person coming back. */
interface Arrival {
  readonly context: SignInContext
  readonly request: RequestView
  readonly portal: Portal
  readonly provider: LoginProvider
  readonly now: Instant
  readonly returnTo: string
  /** Deletes the flow cookie. */
  readonly cookies: readonly string[]
}
type Identification = Extract<AuthOutcome, { kind: 'identified' }>

/** Answers that a retry with the same account would get again. */
const personal: ReadonlySet<Reason> = new Set([
  'rule-refused',
  'rule-failed',
  'account-missing',
  'email-not-verified',
  'tenant-refused',
  'session-too-large',
])

export async function callback(context: SignInContext, request: RequestView, asked: Portal, name: string): Promise<Answer> {
  if (request.method !== 'GET') return refuse(request, 'method-refused')
  const provider = providerAnywhere(context, asked, name)
  if (!provider) return refuse(request, 'endpoint-unknown')
  const here: Arrival = { context, request, portal: asked, provider, now: context.clock(), returnTo: asked.path, cookies: [] }
  const text = stateIn(request.query)
  if (text === undefined) return fail(here, 'sign-in-failed', 'the answer does not hold exactly one state, and one code or error')
  const state = await context.flows.openState(text)
  const portal = state && context.portals.get(state.portal)
  if (!portal) return fail(here, 'sign-in-unknown', 'the state is not ours')
  if (portal.origin !== asked.origin) return relay(context, request, portal, name)
  const own = loginProviders(portal).find((candidate) => candidate.name === name)
  if (!own) return fail(here, 'sign-in-unknown', 'the sign-in began with another provider')
  const cookies = context.flows.clear(state.id, request, portal.session)
  return arrive({ ...here, portal, provider: own, returnTo: portal.path, cookies }, state, text)
}

/** The callback may lie on the origin of a portal that does not use this provider itself. */
function providerAnywhere(context: SignInContext, asked: Portal, name: string): LoginProvider | undefined {
  const named = (portal: Portal) => loginProviders(portal).find((provider) => provider.name === name)
  return named(asked) ?? [...context.portals.values()].map(named).find((provider) => provider !== undefined)
}

/** CVE-2023-27496: a missing or doubled parameter is refused before anything looks at it. */
function stateIn(query: string): string | undefined {
  const parameters = new URLSearchParams(query)
  const [state, ...more] = parameters.getAll('state')
  const answers = parameters.getAll('code').length + parameters.getAll('error').length
  return state && more.length === 0 && answers === 1 ? state : undefined
}

/** Another portal's sign-in, whose provider knows only this callback: its own origin goes on, with the untouched query. */
function relay(context: SignInContext, request: RequestView, portal: Portal, provider: string): Answer {
  const to = `${portal.origin}${context.basePath}/callback/${encodeURIComponent(provider)}${request.query}`
  return { ...redirect(to), headers: ['Referrer-Policy', 'no-referrer'], provider }
}

async function arrive(arrival: Arrival, state: FlowState, text: string): Promise<Answer> {
  const { context, request, portal, provider, now } = arrival
  context.memory.arrived(state.id)
  const flow = await context.flows.find(state, request, portal.session)
  // judged again where it is used: the portal's paths may be others than when the person left
  const returning = flow ? { ...arrival, returnTo: returnAddress(flow.returnTo, portal, context.basePath) } : arrival
  if (now - state.at >= flowLifetime)
    return { ...fail(returning, 'sign-in-expired', 'Redirection timeout'), words: 'Redirection timeout' }
  if (!flow) return stranger(arrival, 'no flow cookie: another browser, or used before')
  if (flow.provider !== provider.name) return fail(returning, 'sign-in-unknown', 'the sign-in began with another provider')
  if (!context.memory.use(state.id)) return stranger(arrival, 'used before')
  return conclude(returning, await completed(returning, flow, text))
}

/** A double click, or the back button: who is signed in meanwhile goes to the portal, not to an error. */
async function stranger(arrival: Arrival, detail: string): Promise<Answer> {
  const { context, request, portal, now, cookies } = arrival
  const known = await context.identify(request, portal, undefined, now)
  if (known.outcome.kind === 'identified') return redirect(portal.origin + portal.path, [...cookies, ...known.cookies])
  return fail(arrival, 'sign-in-unknown', detail)
}

async function completed({ request, provider }: Arrival, flow: FlowRecord, state: string): Promise<AuthOutcome> {
  try {
    return await provider.login.complete(request, flow.flow, { callback: flow.callback, state })
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    if (error.reason !== 'provider-unavailable') return { kind: 'rejected', reason: error.reason, detail: error.detail }
    return {
      kind: 'unavailable',
      detail: error.detail,
      ...(error.retryAfter === undefined ? {} : { retryAfter: error.retryAfter }),
    }
  }
}

async function conclude(arrival: Arrival, outcome: AuthOutcome): Promise<Answer> {
  const { context, portal, provider, returnTo } = arrival
  switch (outcome.kind) {
    case 'identified':
      return admit(arrival, outcome)
    case 'rejected':
      return fail(arrival, outcome.reason, outcome.detail)
    case 'unavailable':
      return fail(arrival, 'provider-unavailable', outcome.detail, {
        retryAfter: outcome.retryAfter ?? 5,
        choices: choicesOf(context, portal, returnTo, provider.name),
      })
    default:
      return fail(arrival, 'sign-in-failed', `the provider answered with ${outcome.kind}`)
  }
}

/** Whoever was signed in before is not any more, admitted or not: a completed sign-in replaces them (CVE-2026-34454). */
async function admit(arrival: Arrival, identified: Identification): Promise<Answer> {
  const { context, request, portal, now, returnTo } = arrival
  const identity = context.keeper.trim(identified.identity)
  const before = await context.keeper.find(request, portal.session, now)
  const verdict = await portal.admit(identity, asOf(request, portal, returnTo), now)
  if (!verdict.allowed) return turnAway(arrival, before.session, identity, verdict)
  return enter(arrival, before.session, identified, identity)
}

async function enter(
  arrival: Arrival,
  before: Session | undefined,
  identified: Identification,
  identity: Identity,
): Promise<Answer> {
  const { context, request, portal, provider, now, returnTo, cookies } = arrival
  const { endsAt, keep } = identified
  try {
    // the claims that are not kept may still say which session at the provider this is
    const opening = {
      request,
      ...(endsAt === undefined ? {} : { endsAt }),
      ...(keep === undefined ? {} : { keep }),
      ...(before ? { replaces: before } : {}),
    }
    const opened = await context.keeper.open(identified.identity, portal.session, now, opening)
    note(context, request, portal, provider, { result: 'Success', message: redirection(provider), account: identity.account })
    return {
      ...redirect(portal.origin + returnTo, [...cookies, ...opened.cookies]),
      provider: provider.name,
      account: identity.account,
    }
  } catch (error) {
    if (!(error instanceof PosternError) || error.reason !== 'session-too-large') throw error
    return turnAway(arrival, before, identity, { allowed: false, reason: error.reason, rule: '', detail: error.detail })
  }
}

function turnAway(arrival: Arrival, before: Session | undefined, identity: Identity, verdict: Verdict): Answer {
  const { context, request, portal, now, cookies } = arrival
  if (before) context.keeper.end(before, now)
  const { account } = identity
  const extra = {
    account,
    ...(verdict.message ? { message: verdict.message } : {}),
    ...(verdict.rule ? { rule: verdict.rule } : {}),
  }
  const why = verdict.detail ?? (verdict.rule ? `refused by the rule ${verdict.rule}` : 'not admitted')
  return fail({ ...arrival, cookies: [...cookies, ...context.keeper.clear(request, portal.session)] }, verdict.reason, why, extra)
}

/** The page the person wants, as if they asked for it now: the rules see what they will see in a moment. */
function asOf(request: RequestView, portal: Portal, returnTo: string): RequestView {
  const { pathname, search } = new URL(returnTo, portal.origin)
  const { id, host, cookies, peer, clientAddress, navigation } = request
  return {
    id,
    method: 'GET',
    host,
    path: pathname,
    query: search,
    cookies,
    peer,
    clientAddress,
    navigation,
    lines: (name) => request.lines(name),
  }
}

/** Logs the cause, tells the person the catalogue's sentence, and offers to start again. */
function fail(arrival: Arrival, reason: Reason, detail: string, extra: Partial<Failure> = {}): Answer {
  const { context, request, portal, provider, cookies } = arrival
  const account = extra.account === undefined ? {} : { account: extra.account }
  note(context, request, portal, provider, {
    result: 'Failure',
    reason,
    message: `Sign-in with ${provider.name} failed: ${detail}`,
    ...account,
  })
  return refuse(request, reason, { provider: provider.name, ...wayOn(arrival, provider, reason), ...extra }, cookies)
}

function wayOn({ context, portal, returnTo }: Arrival, provider: Provider, reason: Reason): Partial<Failure> {
  if (!loginProviders(portal).some(({ name }) => name === provider.name))
    return { signIn: chooserPath(context.basePath, returnTo) }
  const again = startPath(context.basePath, provider.name, returnTo)
  return personal.has(reason) ? { otherAccount: `${again}&as=other` } : { signIn: again }
}
