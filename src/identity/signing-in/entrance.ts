// In, or turned away: the session of somebody who may enter is made here, under the limit there is, and whoever was signed in before
// in this browser is not any more. Knows neither flows nor why somebody may enter.
import { PosternError } from '../../errors.ts'
import type { Answer, Failure, Identity, Session, Verdict } from '../../types.ts'
import type { Opening } from '../sessions/session.ts'
import type { SessionRecord } from '../sessions/session-store.ts'
import { type Arrival, fail } from './arrival.ts'
import { rememberChoice } from './chooser.ts'
import { displacePath, limitOf, sessionsOf } from './displacement.ts'
import { fingerprintOf } from './expectations.ts'
import { landingPath } from './kept-request.ts'
import { note, redirect, redirection } from './sign-in-context.ts'

export async function enter(
  arrival: Arrival,
  identity: Identity,
  before: Session | undefined,
  opening: Opening,
): Promise<Answer> {
  const { context, portal, now } = arrival
  const limit = limitOf(context)
  if (!limit) return open(arrival, identity, before, opening)
  const others = await sessionsOf(context, identity, portal, now, before)
  if (others.length >= limit.most) return beyondLimit(arrival, identity, before, opening, others)
  try {
    return await open(arrival, identity, before, { ...opening, limit: limit.most })
  } catch (error) {
    if (!(error instanceof PosternError) || error.reason !== 'too-many-sessions') throw error
    // somebody else was faster
    return beyondLimit(arrival, identity, before, opening, await sessionsOf(context, identity, portal, now, before))
  }
}

async function open(arrival: Arrival, identity: Identity, before: Session | undefined, opening: Opening): Promise<Answer> {
  const { context, request, portal, provider, now } = arrival
  const { account } = identity
  try {
    const replacing = { ...opening, request, ...(before ? { replaces: before } : {}) }
    const opened = await context.keeper.open(identity, portal.session, now, replacing)
    if (!opening.waits) note(context, request, portal, provider, { result: 'Success', message: redirection(provider), account })
    const set = [...arrival.cookies, ...opened.cookies, ...remembered(arrival, identity)]
    return { ...redirect(portal.origin + landing(arrival, opening), set), provider: provider.name, account }
  } catch (error) {
    if (!(error instanceof PosternError) || error.reason !== 'session-too-large') throw error
    return turnAway(arrival, before, identity, { allowed: false, reason: error.reason, rule: '', detail: error.detail })
  }
}

const remembered = ({ portal, provider }: Arrival, identity: Identity): readonly string[] =>
  identity.provider === provider.name ? rememberChoice(portal, provider) : []

/** The page the person wanted, or what they had typed there; or they are asked something before. */
const landing = ({ context: { basePath }, returnTo, wish: { kept } }: Arrival, { waits }: Opening): string =>
  waits ? displacePath(basePath, returnTo, kept) : landingPath(basePath, returnTo, kept)

/** The others stay, and so does this browser's own session of the same person. */
async function beyondLimit(
  arrival: Arrival,
  identity: Identity,
  before: Session | undefined,
  { createdAt: _, ...opening }: Opening,
  others: readonly SessionRecord[],
): Promise<Answer> {
  const { context, request, portal } = arrival
  const { provider, account } = identity
  if (limitOf(context)?.onLimit === 'displace') {
    context.log.audit('asked whether an older session shall end', {
      id: request.id,
      portal: portal.name,
      provider,
      account,
      clientIp: request.clientAddress,
      sessions: others.length,
    })
    if (before) context.onSignOut?.ended(before, 'replaced') // the one that follows opens nothing yet
    return open(arrival, identity, before, { ...opening, waits: true })
  }
  const signedInSince = others.map((record) => record.createdAt)
  const detail = `there are ${others.length} sessions of this person already`
  const isOwn = before && !before.waits && fingerprintOf(before.identity) === fingerprintOf(identity)
  if (before && !isOwn) {
    const verdict = { allowed: false, reason: 'too-many-sessions' as const, rule: '', detail }
    return turnAway(arrival, before, identity, verdict, { signedInSince })
  }
  return fail(arrival, 'too-many-sessions', detail, { account, signedInSince })
}

export function turnAway(
  arrival: Arrival,
  before: Session | undefined,
  identity: Identity,
  verdict: Verdict,
  extra: Partial<Failure> = {},
): Answer {
  const { context, request, portal, now, cookies } = arrival
  if (before) context.keeper.end(before, now).catch(() => undefined) // held here at once; elsewhere it is tried until it holds
  const cleared = { ...arrival, cookies: [...cookies, ...context.keeper.clear(request, portal.session)] }
  return { ...fail(cleared, verdict.reason, whyOf(verdict), { ...explanation(verdict, identity), ...extra }), refused: identity }
}

export const whyOf = ({ detail, rule }: Verdict): string => detail ?? (rule ? `refused by the rule ${rule}` : 'not admitted')

export const explanation = ({ message, rule }: Verdict, { account }: Identity) => ({
  account,
  ...(message ? { message } : {}),
  ...(rule ? { rule } : {}),
})
