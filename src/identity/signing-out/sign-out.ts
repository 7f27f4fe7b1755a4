// Signing out: here, at the person's other portals, and at the provider. Owns who may make somebody sign out, and what ends with it.
import { PosternError } from '../../errors.ts'
import { isPrefetch } from '../../prefetch.ts'
import type { Answer, Identified, Portal, Provider, RequestView, Session, Show } from '../../types.ts'
import type { Found } from '../sessions/session.ts'
import { chooserPath, isCrossSite, redirect, refuse, type SignInContext } from '../signing-in/sign-in-context.ts'
import { firstProviders } from '../signing-in/usable.ts'
import { endSessions, isDone, ofPerson, ofProviderSession } from './ending.ts'
import type { SignOutReason } from './on-sign-out.ts'
import { confirm, isConfirmed } from './sign-out-confirm.ts'

/** Portals use it in pictures and links on other hosts to sign out everywhere, so it asks nothing. */
const legacyPath = '/pkmslogout'

export async function signOut(context: SignInContext, request: RequestView, portal: Portal): Promise<Answer> {
  if (request.method !== 'GET' && request.method !== 'POST') return refuse(request, 'method-refused')
  if (isPrefetch(request)) return refuse(request, 'sign-in-needed')
  const now = context.clock()
  const found = await readable(context.keeper.find(request, portal.session, now))
  if (!found) return leaveUnread(context, request, portal)
  const known = await context.identify(request, portal, undefined, now)
  const session = found.session ?? found.waiting
  if (!session && known.outcome.kind !== 'identified')
    return redirect(
      signedOutUrl(context, portal),
      found.expired && !portal.session.idleRequiresSignIn ? context.keeper.clear(request, portal.session) : found.cookies,
    )
  if (isForeign(request, portal) && !(await isConfirmed(context, request, session)))
    return confirm(context, request, portal, known, session, (provider, own) => endAt(context, provider, own, portal))
  return session ? leave(context, request, portal, session, known) : leaveSource(context, request, portal, known)
}

const isForeign = (request: RequestView, portal: Portal): boolean => request.path !== legacyPath && isCrossSite(request, portal)

/** undefined: the store cannot be read just now. */
async function readable(finding: Found | Promise<Found>): Promise<Found | undefined> {
  try {
    return await finding
  } catch (error) {
    if (error instanceof PosternError && error.reason === 'store-unavailable') return undefined
    throw error
  }
}

/** Whose session it is cannot be known, but this browser need not keep it, and it opens nothing any more. */
async function leaveUnread(context: SignInContext, request: RequestView, portal: Portal): Promise<Answer> {
  if (isForeign(request, portal)) return refuse(request, 'store-unavailable', later)
  await isDone(context.keeper.endUnread(request, portal.session, context.clock()))
  return incomplete(request, context.keeper.clear(request, portal.session))
}

/** Seconds. */
const later = { retryAfter: 5 }

const incomplete = (request: RequestView, cookies: readonly string[]): Answer =>
  refuse(request, 'sign-out-incomplete', later, cookies)

/** Somebody whose credential travels has no session here; who sends the credential can stop sending it. */
function leaveSource(
  context: SignInContext,
  request: RequestView,
  portal: Portal,
  known: Identified,
  cookies = known.cookies,
): Answer {
  const name = known.outcome.kind === 'identified' ? known.outcome.identity.provider : undefined
  const to = portal.providers.find((provider) => provider.name === name)?.logoutUrl
  return redirect(to && to !== request.path ? to : signedOutUrl(context, portal), cookies)
}

async function leave(
  context: SignInContext,
  request: RequestView,
  portal: Portal,
  session: Session,
  known: Identified,
): Promise<Answer> {
  const { provider: name, account } = session.identity
  const provider = portal.providers.find((candidate) => candidate.name === name)
  const { isSure, cookies } = await endEverywhere(context, request, portal, session, 'sign-out')
  const whose = { provider: name, account }
  if (!isSure) return { ...incomplete(request, cookies), ...whose }
  const travels = known.outcome.kind === 'identified' && !known.session
  if (travels) return leaveSource(context, request, portal, known, cookies)
  const local = new URLSearchParams(request.query).get('scope') === 'local'
  const show = local || !provider ? undefined : await endAt(context, provider, session, portal)
  return { show: show ?? { kind: 'redirect', to: signedOutUrl(context, portal, name) }, cookies, ...whose }
}

export interface Left {
  /** False: it holds here, and it cannot be said yet that it holds everywhere. */
  readonly isSure: boolean
  /** Set-Cookie values that delete what no longer opens anything. */
  readonly cookies: readonly string[]
}

/** This session, and those of the same sign-in at the provider at every portal. Never rejects for a store that is down. */
export async function endEverywhere(
  context: SignInContext,
  request: RequestView,
  portal: Portal,
  session: Session,
  reason: SignOutReason,
): Promise<Left> {
  const { providerSession, identity } = session
  context.onSignOut?.ended(session, reason)
  const [isGone, others] = await Promise.all([
    isDone(context.keeper.end(session, context.clock())),
    providerSession && endSessions(context, ofProviderSession(providerSession, ofPerson(session)), reason),
  ])
  const isSure = isGone && (!others || others.isSure)
  const { id, clientAddress } = request
  const { provider, account } = identity
  const message = isSure ? 'signed out' : 'signed out here, not certainly everywhere yet'
  context.log.audit(message, { id, portal: portal.name, provider, account, clientIp: clientAddress })
  return { isSure, cookies: await clearings(context, request, portal) }
}

/** Cookies of all portals of this origin that no longer open anything, now that the sessions have ended. */
async function clearings(context: SignInContext, request: RequestView, portal: Portal): Promise<readonly string[]> {
  const { keeper, portals, clock } = context
  const siblings = [...portals.values()].filter(({ name, origin }) => origin === portal.origin && name !== portal.name)
  const cleared = siblings.map(async ({ session: rules }) => {
    const found = await readable(keeper.find(request, rules, clock()))
    return !found || found.session ? [] : keeper.clear(request, rules)
  })
  return [...new Set([...keeper.clear(request, portal.session), ...(await Promise.all(cleared)).flat()])]
}

/** Here the person is signed out already: a provider that cannot be reached changes nothing about that. */
async function endAt(context: SignInContext, provider: Provider, session: Session, portal: Portal): Promise<Show | undefined> {
  try {
    return await provider.login?.end?.(session, new URL(signedOutUrl(context, portal)))
  } catch (error) {
    context.log.server('warn', `The sign-out at ${provider.name} could not begin.`, {
      cause: error instanceof Error ? error.message : 'unknown',
    })
    return undefined
  }
}

/** `still` names a provider where the person may be signed in still. */
const signedOutUrl = (context: SignInContext, portal: Portal, still?: string): string =>
  `${portal.origin}${context.basePath}/signed-out${still === undefined ? '' : `?still=${encodeURIComponent(still)}`}`

export function signedOut(context: SignInContext, request: RequestView, portal: Portal): Answer {
  const still = new URLSearchParams(request.query).get('still')
  const label = firstProviders(portal).find(({ name, login }) => name === still && login)?.label
  const signInAgain = firstProviders(portal).length > 0 ? chooserPath(context.basePath, portal.path) : portal.path
  return {
    show: { kind: 'page', page: { name: 'signed-out', signInAgain, ...(label ? { stillSignedInAt: label } : {}) } },
    cookies: [],
  }
}
