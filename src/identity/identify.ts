// Who is asking: credentials that travel with the request first, then the session. Owns that order and what happens to a session
// that it overrules; must not know protocols, rules or how anybody signs in.
import { PosternError } from '../errors.ts'
import type { AuthOutcome, Identified, Identity, Instant, Portal, Provider, RequestView, Route, Session } from '../types.ts'
import { isLocal } from './local.ts'
import type { Refreshed, Refresher } from './sessions/refresh.ts'
import { isDue } from './sessions/refresh-tokens.ts'
import type { Found, SessionKeeper } from './sessions/session.ts'

type Identification = Extract<AuthOutcome, { kind: 'identified' }>
export type Identify = (
  request: RequestView,
  portal: Portal,
  route: Route | undefined,
  now: Instant,
) => Identified | Promise<Identified>

const none: readonly string[] = Object.freeze([])
const absent: AuthOutcome = Object.freeze({ kind: 'absent' })
/** Shared: most requests of strangers bring nothing at all. */
const nobodyHere: Identified = Object.freeze({ outcome: absent, cookies: none })
const several: AuthOutcome = Object.freeze({
  kind: 'rejected',
  reason: 'several-credentials',
  detail: 'two providers recognized two people',
})

/**
 * Synchronous where nothing is awaited. Never throws for a store that is down: that is `unavailable`.
 * @param refresher absent: nobody's tokens are kept
 */
export function createIdentify(keeper: SessionKeeper, refresher?: Pick<Refresher, 'refresh'>): Identify {
  const recognizers = new WeakMap<Portal, readonly Provider[]>()
  const recognizersOf = (portal: Portal): readonly Provider[] => {
    const known = recognizers.get(portal)
    if (known) return known
    const providers = portal.providers.filter((provider) => provider.recognize)
    recognizers.set(portal, providers)
    return providers
  }
  const identify: Identify = (request, portal, route, now) => {
    const asked = recognizersOf(portal)
    const outcome = asked.length === 0 ? absent : ask(asked, 0, request, absent)
    return outcome instanceof Promise
      ? outcome.then((known) => settle(known, keeper, request, portal, route, now))
      : settle(outcome, keeper, request, portal, route, now)
  }
  return refresher ? refreshing(identify, refresher) : identify
}

/** Costs a session without tokens one comparison. */
function refreshing(identify: Identify, refresher: Pick<Refresher, 'refresh'>): Identify {
  const look: Look = (who, request, portal, route, now) => {
    const { session } = who
    if (!session || !isDue(session, now)) return who
    const coming = refresher.refresh(session, request, portal, now)
    return coming ? coming.then((refreshed) => after(refreshed, session, who, () => identify(request, portal, route, now))) : who
  }
  return (request, portal, route, now) => {
    const who = identify(request, portal, route, now)
    return who instanceof Promise
      ? who.then((known) => look(known, request, portal, route, now))
      : look(who, request, portal, route, now)
  }
}
type Look = (who: Identified, ...asked: Parameters<Identify>) => Identified | Promise<Identified>

async function after(
  refreshed: Refreshed,
  before: Session,
  who: Identified,
  again: () => Identified | Promise<Identified>,
): Promise<Identified> {
  if (refreshed === 'unchanged') return who
  if (refreshed !== 'over') return { ...who, outcome: { kind: 'identified', identity: refreshed.identity }, session: refreshed }
  // whoever was just typing is asked as somebody known
  const now = await again()
  return now.outcome.kind === 'absent' ? { ...now, expired: now.expired ?? before } : now
}

/** All are asked, because a second person in one request must be noticed; the first that refuses ends it. */
function ask(
  providers: readonly Provider[],
  from: number,
  request: RequestView,
  before: AuthOutcome,
): AuthOutcome | Promise<AuthOutcome> {
  let known = before
  for (let i = from; i < providers.length; i++) {
    const outcome = providers[i]?.recognize?.(request) ?? absent
    if (outcome instanceof Promise) return outcome.then((late) => askOn(providers, i + 1, request, combine(known, late)))
    known = combine(known, outcome)
    if (isFinal(known)) return known
  }
  return known
}

const askOn = (
  providers: readonly Provider[],
  from: number,
  request: RequestView,
  known: AuthOutcome,
): AuthOutcome | Promise<AuthOutcome> => (isFinal(known) ? known : ask(providers, from, request, known))

const isFinal = (outcome: AuthOutcome): boolean => outcome.kind !== 'absent' && outcome.kind !== 'identified'

function combine(known: AuthOutcome, next: AuthOutcome): AuthOutcome {
  if (next.kind === 'absent') return known
  if (known.kind !== 'identified' || next.kind !== 'identified') return next
  return isSamePerson(known.identity, next.identity) ? known : several
}

const isSamePerson = (a: Identity, b: Identity): boolean => a.issuer === b.issuer && a.subject === b.subject

function settle(
  outcome: AuthOutcome,
  keeper: SessionKeeper,
  request: RequestView,
  portal: Portal,
  route: Route | undefined,
  now: Instant,
): Identified | Promise<Identified> {
  if (isFinal(outcome)) return { outcome, cookies: none }
  const travelling = outcome.kind === 'identified' ? outcome : undefined
  // a session that another credential overrules is not in use, and not renewed
  const found = keeper.find(request, portal.session, now, travelling === undefined && (route?.extendsSession ?? false))
  if (found instanceof Promise) return found.then((known) => conclude(travelling, known, keeper, request, portal, now), storeDown)
  return conclude(travelling, found, keeper, request, portal, now)
}

function conclude(
  travelling: Identification | undefined,
  found: Found,
  keeper: SessionKeeper,
  request: RequestView,
  portal: Portal,
  now: Instant,
): Identified {
  const { session } = found
  if (travelling) return overrule(travelling, found, keeper, request, portal, now)
  if (!session) return nobody(portal, found)
  // its cookie stays: another portal of the same session group may know the provider
  if (!isListed(portal, session)) return nobodyHere
  if (session.local) return { outcome: { kind: 'local', provider: session.identity.provider }, cookies: found.cookies, session }
  return { outcome: { kind: 'identified', identity: session.identity }, cookies: found.cookies, session }
}

function overrule(
  travelling: Identification,
  found: Found,
  keeper: SessionKeeper,
  request: RequestView,
  portal: Portal,
  now: Instant,
): Identified {
  const { session } = found
  if (!session || isSamePerson(session.identity, travelling.identity)) return { outcome: travelling, cookies: found.cookies }
  keeper.end(session, now).catch(() => undefined) // whoever brings it again meets the same
  return { outcome: travelling, cookies: keeper.clear(request, portal.session) }
}

function nobody(portal: Portal, { cookies, expired }: Found): Identified {
  if (expired && !expired.local && isListed(portal, expired)) return { outcome: absent, cookies, expired }
  return cookies.length === 0 ? nobodyHere : { outcome: absent, cookies }
}

/** A provider that is a second factor here identifies nobody alone, whatever it does at a portal of the same group. */
function isListed(portal: Portal, session: Session): boolean {
  const name = session.identity.provider
  for (const provider of portal.providers) {
    if (provider.name === name) return isMadeFor(portal, provider, session) && isLocal(provider) === (session.local === true)
  }
  return false
}

/** `FINGERPRINT`, or `FINGERPRINT/PORTAL/PORTAL` where each portal has demands of its own: elsewhere they sign in again. */
function isMadeFor(portal: Portal, { fingerprint }: Provider, { madeBy }: Session): boolean {
  if (madeBy === fingerprint) return true
  const [by, ...portals] = madeBy?.split('/') ?? []
  return by === fingerprint && portals.includes(portal.name)
}

function storeDown(error: unknown): Identified {
  if (error instanceof PosternError && error.reason === 'store-unavailable') {
    const { reason, detail, retryAfter } = error
    return {
      outcome: { kind: 'unavailable', reason, detail, ...(retryAfter === undefined ? {} : { retryAfter }) },
      cookies: none,
    }
  }
  throw error
}
