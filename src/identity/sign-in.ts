// Our own endpoints as functions from a request to an answer: chooser, start, callback, sign-out, "who am I". Owns their rules; must
// not know protocols (providers do), sockets or HTML. A door routes to it and renders what it returns.
import { PosternError } from '../errors.ts'
import type { Answer, Identified, Instant, Portal, RequestView, Session } from '../types.ts'
import { callback } from './callback.ts'
import { createFlowMemory, createFlows, newFlowId } from './flow.ts'
import { returnAddress } from './return-address.ts'
import {
  choicesOf,
  chooserPath,
  credentialType,
  isCrossSite,
  isPrefetch,
  type LoginProvider,
  loginProviders,
  note,
  portalOf,
  redirect,
  redirection,
  refuse,
  type SignInContext,
  type SignInOptions,
  startPath,
} from './sign-in-context.ts'
import { signedOut, signOut } from './sign-out.ts'

export interface SignIn {
  /** `/login?return=`; `choose=1` shows the page even where it has one choice or a default. */
  chooser(request: RequestView, portal: Portal): Promise<Answer>
  /** `/start/{provider}?return=`; `as=other` ends the session here and has the provider ask again. */
  start(request: RequestView, portal: Portal, provider: string): Promise<Answer>
  /** Throws PosternError('store-unavailable'). */
  callback(request: RequestView, portal: Portal, provider: string): Promise<Answer>
  /** GET or POST; `scope=local` leaves the provider's own session alone. */
  logout(request: RequestView, portal: Portal): Promise<Answer>
  signedOut(request: RequestView, portal: Portal): Promise<Answer>
  /** JSON, times in ISO 8601; never a token. */
  session(request: RequestView, portal: Portal): Promise<Answer>
  /** Writes the lines of redirections nobody came back from; to be called every few seconds. */
  sweep(now: Instant): void
}

export function createSignIn(options: SignInOptions): SignIn {
  const context: SignInContext = { ...options, flows: createFlows(options.sealer), memory: options.memory ?? createFlowMemory() }
  const reading =
    (answer: (request: RequestView, portal: Portal) => Answer | Promise<Answer>) =>
    async (request: RequestView, portal: Portal) =>
      request.method === 'GET' || request.method === 'HEAD' ? answer(request, portal) : refuse(request, 'method-refused')
  return {
    chooser: reading((request, portal) => chooser(context, request, portal)),
    start: (request, portal, provider) => start(context, request, portal, provider),
    callback: (request, portal, provider) => callback(context, request, portal, provider),
    logout: (request, portal) => signOut(context, request, portal),
    signedOut: reading((request, portal) => signedOut(context, request, portal)),
    session: reading((request, portal) => whoAmI(context, request, portal)),
    sweep: (now) => sweep(context, now),
  }
}

function chooser(context: SignInContext, request: RequestView, asked: Portal): Answer {
  const query = new URLSearchParams(request.query)
  const portal = portalOf(context, asked, query.get('return'))
  const returnTo = returnAddress(query.get('return'), portal, context.basePath)
  const providers = loginProviders(portal)
  if (providers.length === 0) return refuse(request, 'sign-in-needed')
  const straight = providers.length === 1 ? providers[0] : providers.find(({ name }) => name === portal.defaultProvider)
  if (straight && query.get('choose') !== '1') return redirect(startPath(context.basePath, straight.name, returnTo))
  return {
    show: { kind: 'page', page: { name: 'chooser', choices: choicesOf(context, portal, returnTo), returnTo } },
    cookies: [],
  }
}

async function start(context: SignInContext, request: RequestView, asked: Portal, name: string): Promise<Answer> {
  if (request.method !== 'GET') return refuse(request, 'method-refused')
  if (isPrefetch(request)) return refuse(request, 'sign-in-needed')
  const query = new URLSearchParams(request.query)
  const portal = portalOf(context, asked, query.get('return'))
  const provider = loginProviders(portal).find((candidate) => candidate.name === name)
  const callbackUrl = portal.redirectUris.get(name)
  if (!provider || !callbackUrl) return refuse(request, 'endpoint-unknown')
  const home = homeOf(request, portal, query)
  if (home) return redirect(home)
  const other = query.get('as') === 'other'
  const cookies = other && !isCrossSite(request, portal) ? await leave(context, request, portal) : []
  const returnTo = returnAddress(query.get('return'), portal, context.basePath)
  return sendAway(context, request, portal, provider, { callbackUrl, returnTo, other, cookies })
}

/**
 * A portal of many hosts signs people in on the one of its `publicUrl`. Once: where something in front changes Host on the way, a
 * browser that is already there would be sent round for ever.
 */
function homeOf(request: RequestView, portal: Portal, query: URLSearchParams): string | undefined {
  if (request.host === new URL(portal.origin).hostname || query.get('home') === '1') return undefined
  return `${portal.origin}${request.path}${request.query === '' ? '?' : `${request.query}&`}home=1`
}

/** Whoever wants to be somebody else leaves first (CVE-2026-34454: a shared workstation). */
async function leave(context: SignInContext, request: RequestView, portal: Portal): Promise<readonly string[]> {
  const now = context.clock()
  const { session, cookies } = await context.keeper.find(request, portal.session, now)
  if (!session) return cookies
  context.keeper.end(session, now)
  return context.keeper.clear(request, portal.session)
}

interface Departure {
  readonly callbackUrl: string
  readonly returnTo: string
  readonly other: boolean
  readonly cookies: readonly string[]
}

async function sendAway(
  context: SignInContext,
  request: RequestView,
  portal: Portal,
  provider: LoginProvider,
  departure: Departure,
): Promise<Answer> {
  const { callbackUrl, returnTo, other, cookies } = departure
  const at = context.clock()
  const state = { portal: portal.name, id: newFlowId(at), at }
  // one value: Entra refuses a list, and `select_account` is unknown to many providers
  const asking = { state: await context.flows.sealState(state), callback: callbackUrl, ...(other ? { prompt: 'login' } : {}) }
  try {
    const { show, flow } = await provider.login.begin(asking)
    const record = { ...state, provider: provider.name, audience: portal.session.audience, returnTo, callback: callbackUrl, flow }
    const kept = await context.flows.keep(record, request, portal.session)
    const { id: requestId, clientAddress } = request
    context.memory.expect(state.id, {
      at,
      requestId,
      portal: portal.name,
      provider: provider.name,
      credentialType: credentialType(provider),
      clientAddress,
    })
    note(context, request, portal, provider, { result: 'Redirection', message: redirection(provider) })
    return { show, cookies: [...cookies, ...kept], provider: provider.name }
  } catch (error) {
    if (!(error instanceof PosternError)) throw error
    note(context, request, portal, provider, {
      result: 'Failure',
      reason: error.reason,
      message: `Sign-in with ${provider.name} could not begin: ${error.detail}`,
    })
    const again = startPath(context.basePath, provider.name, returnTo)
    return refuse(
      request,
      error.reason,
      {
        provider: provider.name,
        signIn: again,
        ...(error.reason === 'provider-unavailable' ? { retryAfter: error.retryAfter ?? 5 } : {}),
        choices: choicesOf(context, portal, returnTo, provider.name),
      },
      cookies,
    )
  }
}

async function whoAmI(context: SignInContext, request: RequestView, portal: Portal): Promise<Answer> {
  const known = await context.identify(request, portal, undefined, context.clock())
  const { outcome, cookies } = known
  if (outcome.kind === 'identified') {
    const document = JSON.stringify(describeSession(known, outcome.identity, portal))
    return {
      show: { kind: 'document', type: 'application/json', body: document },
      cookies,
      provider: outcome.identity.provider,
      account: outcome.identity.account,
    }
  }
  if (outcome.kind === 'rejected') return refuse(request, outcome.reason, {}, cookies)
  if (outcome.kind === 'unavailable')
    return refuse(request, 'provider-unavailable', { retryAfter: outcome.retryAfter ?? 5 }, cookies)
  const signIn =
    outcome.kind === 'absent' && loginProviders(portal).length > 0 ? { signIn: chooserPath(context.basePath, portal.path) } : {}
  return refuse(
    request,
    'sign-in-needed',
    { ...signIn, challenge: `Bearer realm="${portal.name.replace(/[^ !#-[\]-~]/g, '')}"` },
    cookies,
  )
}

/** Named one by one: whatever a session holds besides stays inside (CVE-2024-39315). */
function describeSession({ session }: Identified, identity: Session['identity'], portal: Portal) {
  const { account, provider, name, email, groups } = identity
  const time = (at: Instant) => new Date(at).toISOString()
  const until = session ? { idleUntil: time(session.idleUntil), endsAt: time(session.endsAt) } : {}
  return {
    account,
    provider,
    name,
    email,
    groups,
    portal: portal.name,
    authenticatedAt: time(identity.authenticatedAt),
    ...until,
  }
}

function sweep(context: SignInContext, now: Instant): void {
  for (const { requestId, portal, provider, credentialType: type, clientAddress } of context.memory.timedOut(now)) {
    context.log.authentication({
      id: requestId,
      result: 'Failure',
      credentialType: type,
      provider,
      portal,
      clientIp: clientAddress,
      reason: 'Redirection timeout',
      message: `Timing out without response from ${provider}.`,
    })
    context.onSignIn?.(provider, 'Failure')
  }
}
