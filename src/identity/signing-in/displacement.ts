// A limit of sessions per person and portal: who is refused, who is asked, and which sessions end for whoever goes on. Owns the
// question (`/displace`) and the session that waits for its answer; counting, whoever asks at once, is the store's.
import { PosternError } from '../../errors.ts'
import { isPrefetch } from '../../prefetch.ts'
import type { Answer, Identity, Instant, Portal, RequestView, Session, Show } from '../../types.ts'
import { takeTokens } from '../sessions/refresh-tokens.ts'
import type { Opening } from '../sessions/session.ts'
import type { SessionRecord } from '../sessions/session-store.ts'
import { asSession, overAt } from '../sessions/session-time.ts'
import { landingPath, slotIn } from './kept-request.ts'
import { returnAddress } from './return-address.ts'
import {
  chooserPath,
  isCrossSite,
  note,
  portalOf,
  redirect,
  redirection,
  refuse,
  type SessionLimit,
  type SignInContext,
} from './sign-in-context.ts'

/** Milliseconds that a session waits for the answer. */
const patience = 600_000
/** More than anybody may have. */
const mostListed = 1001

/** The limit that holds here; undefined: there is none. */
export const limitOf = ({ keeper, sessionLimit }: SignInContext): SessionLimit | undefined =>
  keeper.keeps ? sessionLimit : undefined

/**
 * This person's sessions at this portal that count, the oldest first; without the one that is replaced anyway. What the store
 * would still count although it is over by today's rules ends on the way.
 * Throws PosternError('store-unavailable').
 */
export async function sessionsOf(
  { keeper, onSignOut }: SignInContext,
  { issuer, subject }: Pick<Identity, 'issuer' | 'subject'>,
  { session: rules }: Portal,
  now: Instant,
  replaced?: Session,
): Promise<readonly SessionRecord[]> {
  const { records } = await keeper.list({ person: { issuer, subject }, audience: rules.audience }, mostListed, now)
  const counting = records.filter((record) => !record.waits && record.id !== replaced?.id)
  const open: SessionRecord[] = []
  for (const record of counting) {
    if (now < overAt(record, rules)) {
      open.push(record)
      continue
    }
    onSignOut?.ended(record, 'idle')
    await keeper.end(asSession(record), now)
  }
  return open.sort((a, b) => a.createdAt - b.createdAt)
}

/** Where somebody is asked; `kept` leads on to what they had typed. */
export const displacePath = (basePath: string, returnTo: string, kept?: string): string =>
  `${basePath}/displace?return=${encodeURIComponent(returnTo)}${kept === undefined ? '' : `&kept=${kept}`}`

/** Somebody who came to be asked. */
interface Asked {
  readonly context: SignInContext
  readonly request: RequestView
  readonly portal: Portal
  readonly now: Instant
  readonly waiting: Session
  readonly returnTo: string
  readonly kept: string | undefined
}

/**
 * `/displace?return=`: GET asks, POST with the page's own token answers: the oldest end, or with `cancel=1` the one that waits.
 * Throws PosternError('store-unavailable'): nothing is answered yet.
 */
export async function displace(context: SignInContext, request: RequestView, at: Portal): Promise<Answer> {
  if (!['GET', 'HEAD', 'POST'].includes(request.method)) return refuse(request, 'method-refused')
  if (isPrefetch(request) || request.frame) return refuse(request, 'sign-in-needed')
  const query = new URLSearchParams(request.query)
  const portal = portalOf(context, at, query.get('return'))
  const returnTo = returnAddress(query.get('return'), portal, context.basePath)
  const kept = slotIn(query.get('kept'))
  const now = context.clock()
  const { session, waiting, cookies } = await context.keeper.find(request, portal.session, now)
  if (!waiting) {
    // a double click, or the back button
    if (session) return redirect(portal.origin + landingPath(context.basePath, returnTo, kept), cookies)
    return tooLate(context, request, returnTo, kept, cookies)
  }
  const asked: Asked = { context, request, portal, now, waiting, returnTo, kept }
  if (now - waiting.createdAt >= patience) {
    await leave(asked)
    return tooLate(context, request, returnTo, kept, context.keeper.clear(request, portal.session))
  }
  const newest = request.method === 'POST' ? await newestShown(asked, query.get('token')) : undefined
  if (newest === undefined) return ask(asked)
  return query.get('cancel') === '1' ? cancel(asked) : goOn(asked, newest)
}

function tooLate(
  { basePath }: SignInContext,
  request: RequestView,
  returnTo: string,
  kept: string | undefined,
  cookies: readonly string[],
): Answer {
  const signIn = chooserPath(basePath, returnTo, kept === undefined ? {} : { kept })
  return refuse(request, 'sign-in-expired', { signIn }, cookies)
}

const sealToken = ({ context, waiting }: Asked, since: readonly Instant[]): Promise<string> =>
  context.sealer.seal({ session: waiting.id, newest: since.at(-1) ?? 0 }, 'displace')

/** Of the sessions the person was asked about; undefined: not this session's token, or the page that posts it is not ours. */
async function newestShown({ context, request, portal, waiting }: Asked, token: string | null): Promise<Instant | undefined> {
  if (token === null || isCrossSite(request, portal)) return undefined
  const opened = (await context.sealer.open(token, 'displace')) as { session: string; newest: Instant } | undefined
  return opened?.session === waiting.id ? opened.newest : undefined
}

async function ask(asked: Asked): Promise<Answer> {
  const { context, request, portal, now, waiting, returnTo, kept } = asked
  const others = await sessionsOf(context, waiting.identity, portal, now)
  const ends = tooMany(context, others)
  if (ends <= 0 && request.method === 'GET') {
    // signed out elsewhere meanwhile: there is nothing to ask any more
    const answer = await enter(asked)
    if (answer) return answer
  }
  const since = others.map(({ createdAt }) => createdAt)
  const token = await sealToken(asked, since)
  const action = `${displacePath(context.basePath, returnTo, kept)}&token=${encodeURIComponent(token)}`
  const { provider, account } = waiting.identity
  const page = { name: 'displace' as const, action, cancel: `${action}&cancel=1`, account, since, ends: Math.max(ends, 1) }
  return { show: { kind: 'page', page }, cookies: [], provider, account }
}

/** How many have to end so that there is room for one. */
const tooMany = (context: SignInContext, others: readonly SessionRecord[]): number =>
  others.length + 1 - (limitOf(context)?.most ?? Number.POSITIVE_INFINITY)

/** What came after the question was not meant by the answer: it is asked again. */
async function goOn(asked: Asked, newest: Instant): Promise<Answer> {
  const { context, request, portal, now, waiting, returnTo, kept } = asked
  const others = await sessionsOf(context, waiting.identity, portal, now)
  const meant = others.slice(0, Math.max(0, tooMany(context, others))).filter(({ createdAt }) => createdAt <= newest)
  for (const oldest of meant) {
    context.onSignOut?.ended(oldest, 'displaced')
    await context.keeper.end(asSession(oldest), now)
    const { provider, account } = waiting.identity
    const { id, clientAddress: clientIp } = request
    context.log.audit('displaced', { id, portal: portal.name, provider, account, clientIp, session: oldest.id })
  }
  return (await enter(asked)) ?? redirect(portal.origin + displacePath(context.basePath, returnTo, kept))
}

/** Under a new id and under the limit; undefined: there is no room. */
async function enter(asked: Asked): Promise<Answer | undefined> {
  const { context, request, portal, now, waiting, returnTo, kept } = asked
  const { identity } = waiting
  const limit = limitOf(context)
  const opening = { ...carriedOn(waiting), request, ...(limit ? { limit: limit.most } : {}) }
  const opened = await context.keeper.open(identity, portal.session, now, opening).catch(noRoom)
  if (!opened) return undefined
  await handOver(asked, opened.session)
  await context.keeper.end(waiting, now).catch(() => undefined) // it opens nothing anyway
  const provider = portal.providers.find(({ name }) => name === identity.provider)
  if (provider) {
    const { account } = identity
    note(context, request, portal, provider, { result: 'Success', message: redirection(provider), account })
  }
  const onward = portal.origin + landingPath(context.basePath, returnTo, kept)
  const show: Show =
    request.method === 'POST' ? { kind: 'page', page: { name: 'displaced', onward } } : { kind: 'redirect', to: onward }
  return { show, cookies: opened.cookies, provider: identity.provider, account: identity.account }
}

function noRoom(error: unknown): undefined {
  if (error instanceof PosternError && error.reason === 'too-many-sessions') return undefined
  throw error
}

/**
 * Whoever answers twice at the same time may have two sessions of it, but only one of them the tokens: two that are refreshed with the
 * same one are taken for theft. Without them a session goes on to its end.
 */
async function handOver({ context: { keeper }, portal, now, waiting }: Asked, entered: Session): Promise<void> {
  if (!waiting.tokens) return
  try {
    const tokens = await takeTokens(keeper, waiting, portal.session, now)
    if (tokens) await keeper.replace(entered, { tokens }, portal.session, now)
  } catch (error) {
    if (!(error instanceof PosternError) || error.reason !== 'store-unavailable') throw error
  }
}

/** Waiting made nothing longer: it ends when it would have ended. */
const carriedOn = ({ endsAt, keep, factors, providerSession, madeBy }: Session): Opening => ({
  endsAt,
  ...(keep === undefined ? {} : { keep }),
  ...(factors === undefined ? {} : { factors }),
  ...(providerSession === undefined ? {} : { providerSession }),
  ...(madeBy === undefined ? {} : { madeBy }),
})

async function cancel(asked: Asked): Promise<Answer> {
  const { context, request, portal, waiting } = asked
  await leave(asked)
  const { provider, account } = waiting.identity
  const to = `${portal.origin}${context.basePath}/signed-out?still=${encodeURIComponent(provider)}`
  return { ...redirect(to, context.keeper.clear(request, portal.session)), provider, account }
}

/** It opens nothing, so that a store which is down keeps nobody here. */
const leave = ({ context, waiting, now }: Asked): Promise<void> => context.keeper.end(waiting, now).catch(() => undefined)
