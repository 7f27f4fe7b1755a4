// `/start/{provider}`: who may go there, as what - a first sign-in, a second factor, the portal's own sign-in - and what becomes of
// whoever is signed in already. Knows which providers will do; must not know what a provider is asked with.
import { isPrefetch } from '../../prefetch.ts'
import type { Answer, Identified, Portal, Provider, RequestView, SecondFactor } from '../../types.ts'
import { nobodyOf } from '../local.ts'
import { wentIdle } from '../sessions/session.ts'
import { choicesOf, rememberChoice } from './chooser.ts'
import { sendAway } from './departure.ts'
import { returnAddress } from './return-address.ts'
import {
  chooserPath,
  type Errand,
  isCrossSite,
  type LoginProvider,
  note,
  portalOf,
  redirect,
  refuse,
  type SignInContext,
  startPath,
  wishOf,
} from './sign-in-context.ts'
import { factorsNamed, firstProviders, isUsable, loginProviders } from './usable.ts'

export async function start(context: SignInContext, request: RequestView, asked: Portal, name: string): Promise<Answer> {
  if (request.method !== 'GET') return refuse(request, 'method-refused')
  if (isPrefetch(request)) return refuse(request, 'sign-in-needed')
  const query = new URLSearchParams(request.query)
  const portal = portalOf(context, asked, query.get('return'))
  const login = loginProviders(portal).find((candidate) => candidate.name === name)
  const local = login ? undefined : firstProviders(portal).find((candidate) => candidate.name === name)
  const callback = portal.redirectUris.get(name)
  if (!local && !(login && callback)) return refuse(request, 'endpoint-unknown')
  const home = homeOf(request, portal, query)
  if (home) return redirect(home)

  const returnTo = returnAddress(query.get('return'), portal, context.basePath)
  const errand: Errand = { context, request, portal, returnTo, now: context.clock(), wish: wishOf(query, portal) }
  const factors = factorsNamed(portal, name)
  if (login && callback && factors.length > 0) return beginFactor(errand, query, login, callback, factors)
  const provider = login ?? (local as Provider)
  if (!(await isUsable(errand, provider))) return refuseProvider(errand, provider)
  return login && callback ? beginFirst(errand, query, login, callback) : goLocal(errand, provider)
}

/**
 * A portal of many hosts signs people in on the one of its `publicUrl`. Once: where something in front changes Host on the way, a
 * browser that is already there would be sent round for ever.
 */
function homeOf(request: RequestView, portal: Portal, query: URLSearchParams): string | undefined {
  if (request.host === new URL(portal.origin).hostname || query.get('home') === '1') return undefined
  return `${portal.origin}${request.path}${request.query === '' ? '?' : `${request.query}&`}home=1`
}

async function refuseProvider(errand: Errand, { name }: Provider): Promise<Answer> {
  return refuse(errand.request, 'provider-not-enough', { status: 403, provider: name, choices: await choicesOf(errand, name) })
}

async function beginFirst(errand: Errand, query: URLSearchParams, provider: LoginProvider, callback: string): Promise<Answer> {
  const { context, request, portal, now, wish } = errand
  const other = wish.other === true
  const cookies = other && !isCrossSite(request, portal) ? await leave(errand) : []
  // whoever had gone idle is asked also when they say that they are somebody else
  const { session, expired }: Partial<Identified> = await context.identify(request, portal, undefined, now)
  const wasIdle = portal.session.idleRequiresSignIn && expired !== undefined && wentIdle(expired)
  const fresh = wish.fresh === true || wasIdle
  const isSteppingUp = (fresh || wish.acr !== undefined) && session?.identity.provider === provider.name && !session.local
  const known = isSteppingUp ? session.identity : undefined
  return sendAway({ errand, query, provider, callback, known, other, fresh, cookies })
}

/** Only for somebody who is signed in already, with the provider it stands behind. */
async function beginFactor(
  errand: Errand,
  query: URLSearchParams,
  provider: LoginProvider,
  callback: string,
  factors: readonly SecondFactor[],
): Promise<Answer> {
  const { context, request, portal, returnTo, now, wish } = errand
  const { session, outcome } = await context.identify(request, portal, undefined, now)
  const known = outcome.kind === 'identified' ? session?.identity : undefined
  const factor = factors.find(({ after }) => after === known?.provider)
  if (!known || !factor) return redirect(startPath(context.basePath, factors[0]?.after ?? '', returnTo, wish))
  const other = wish.other === true
  return sendAway({
    errand,
    query,
    provider,
    callback,
    known,
    after: factor.after,
    other,
    fresh: wish.fresh === true,
    cookies: [],
  })
}

/** Whoever wants to be somebody else leaves first (CVE-2026-34454: a shared workstation). */
async function leave({ context, request, portal, now }: Errand): Promise<readonly string[]> {
  const { session, waiting, cookies, expired } = await context.keeper.find(request, portal.session, now)
  const left = session ?? waiting
  if (left) await context.keeper.end(left, now)
  return left || expired ? context.keeper.clear(request, portal.session) : cookies
}

/** A session that says no more than this. A link on another site signs nobody out with it. */
async function goLocal(errand: Errand, provider: Provider): Promise<Answer> {
  const { context, request, portal, returnTo, now, wish } = errand
  const { session, waiting } = await context.keeper.find(request, portal.session, now)
  if (session && !session.local && isCrossSite(request, portal))
    return redirect(`${chooserPath(context.basePath, returnTo, wish)}&choose=1`)
  const { fingerprint: madeBy } = provider
  const replaces = session ?? waiting
  const opening = {
    request,
    local: true as const,
    ...(madeBy === undefined ? {} : { madeBy }),
    ...(replaces ? { replaces } : {}),
  }
  const opened = await context.keeper.open(nobodyOf(provider, now), portal.session, now, opening)
  note(context, request, portal, provider, {
    result: 'Success',
    message: `The portal's own sign-in was chosen (${provider.name}).`,
  })
  const cookies = [...opened.cookies, ...rememberChoice(portal, provider)]
  return { ...redirect(portal.origin + returnTo, cookies), provider: provider.name }
}
