// Signing out: here, at the person's other portals, and at the provider. Owns who may make somebody sign out, and what ends with it.
import type { Answer, Identified, Portal, Provider, RequestView, Session, Show } from '../types.ts'
import { chooserPath, isCrossSite, isPrefetch, redirect, refuse, type SignInContext } from './sign-in-context.ts'
import { firstProviders } from './usable.ts'

/** Portals use it in pictures and links on other hosts to sign out everywhere, so it asks nothing. */
const legacyPath = '/pkmslogout'

export async function signOut(context: SignInContext, request: RequestView, portal: Portal): Promise<Answer> {
  if (request.method !== 'GET' && request.method !== 'POST') return refuse(request, 'method-refused')
  if (isPrefetch(request)) return refuse(request, 'sign-in-needed')
  const now = context.clock()
  const found = await context.keeper.find(request, portal.session, now)
  const known = await context.identify(request, portal, undefined, now)
  const { session } = found
  if (!session && known.outcome.kind !== 'identified')
    return redirect(
      signedOutUrl(context, portal),
      found.expired && !portal.session.idleRequiresSignIn ? context.keeper.clear(request, portal.session) : found.cookies,
    )
  if (request.path !== legacyPath && isCrossSite(request, portal) && !(await isConfirmed(context, request, session))) {
    return confirm(context, request, portal, session, known)
  }
  return session ? leave(context, request, portal, session, known) : leaveSource(context, request, portal, known)
}

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
  endEverywhere(context, session)
  context.log.audit('signed out', {
    id: request.id,
    portal: portal.name,
    provider: name,
    account,
    clientIp: request.clientAddress,
  })
  const cookies = await clearings(context, request, portal)
  const travels = known.outcome.kind === 'identified' && !known.session
  if (travels) return leaveSource(context, request, portal, known, cookies)
  const local = new URLSearchParams(request.query).get('scope') === 'local'
  const show = local || !provider ? undefined : await endAt(context, provider, session, portal)
  return { show: show ?? { kind: 'redirect', to: signedOutUrl(context, portal, name) }, cookies, provider: name, account }
}

/** Sessions of the same sign-in at the provider, at every portal: they cannot outlive the longest lifetime there is. */
function endEverywhere(context: SignInContext, session: Session): void {
  const now = context.clock()
  context.keeper.end(session, now)
  const longest = Math.max(...[...context.portals.values()].map((portal) => portal.session.lifetime))
  if (session.providerSession) context.revocations.revoke(session.providerSession, now, Math.max(now + longest, session.endsAt))
}

/** Cookies of all portals of this origin that no longer open anything, now that the sessions have ended. */
async function clearings(context: SignInContext, request: RequestView, portal: Portal): Promise<readonly string[]> {
  const siblings = [portal, ...context.portals.values()].filter(({ origin }) => origin === portal.origin)
  const cleared = siblings.map(async ({ session: rules }) => {
    const { session } = await context.keeper.find(request, rules, context.clock())
    return session ? [] : context.keeper.clear(request, rules)
  })
  return [...new Set((await Promise.all(cleared)).flat())]
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

/** Browsers without Fetch Metadata send `Origin: null` from a page with no referrer, such as ours. */
async function isConfirmed({ sealer }: SignInContext, request: RequestView, session: Session | undefined): Promise<boolean> {
  const token = new URLSearchParams(request.query).get('confirm')
  return (
    request.method === 'POST' && session !== undefined && token !== null && (await sealer.open(token, 'sign-out')) === session.id
  )
}

async function confirm(
  context: SignInContext,
  request: RequestView,
  portal: Portal,
  session: Session | undefined,
  known: Identified,
): Promise<Answer> {
  const query = new URLSearchParams()
  if (new URLSearchParams(request.query).get('scope') === 'local') query.set('scope', 'local')
  if (session) query.set('confirm', await context.sealer.seal(session.id, 'sign-out'))
  const identity = session?.identity ?? (known.outcome.kind === 'identified' ? known.outcome.identity : undefined)
  const action = `${context.basePath}/logout${query.size > 0 ? `?${query}` : ''}`
  const page = {
    name: 'confirm-sign-out' as const,
    action,
    formTargets: await formTargets(context, portal, session),
    ...(identity ? { account: identity.account } : {}),
  }
  return {
    show: { kind: 'page', page },
    cookies: [],
    ...(identity ? { provider: identity.provider, account: identity.account } : {}),
  }
}

/** Content-Security-Policy `form-action` holds for redirections after the form too: the provider's origin must be in it. */
async function formTargets(context: SignInContext, portal: Portal, session: Session | undefined): Promise<readonly string[]> {
  const provider = portal.providers.find(({ name }) => name === session?.identity.provider)
  const show = session && provider ? await endAt(context, provider, session, portal) : undefined
  return show?.kind === 'redirect' && URL.canParse(show.to) ? [new URL(show.to).origin] : []
}

export function signedOut(context: SignInContext, request: RequestView, portal: Portal): Answer {
  const still = new URLSearchParams(request.query).get('still')
  const label = firstProviders(portal).find(({ name, login }) => name === still && login)?.label
  const signInAgain = firstProviders(portal).length > 0 ? chooserPath(context.basePath, portal.path) : portal.path
  return {
    show: { kind: 'page', page: { name: 'signed-out', signInAgain, ...(label ? { stillSignedInAt: label } : {}) } },
    cookies: [],
  }
}
