// Somebody whom a provider has named: may they enter, and with which session - a new one, a fresher one, or the one they have with
// a second factor in it. A session is made only at the very end, always under a new id. Knows no flow cookie and no protocol.
import { describe, PosternError } from '../../errors.ts'
import { factorKey } from '../../factor-key.ts'
import type { Answer, AuthOutcome, Identity, Instant, Session } from '../../types.ts'
import { takeTokens } from '../sessions/refresh-tokens.ts'
import type { Opening } from '../sessions/session.ts'
import { type Arrival, fail } from './arrival.ts'
import { choicesOf } from './chooser.ts'
import { enter, explanation, turnAway, whyOf } from './entrance.ts'
import { fingerprintOf, isSameText, troubleWith } from './expectations.ts'
import type { Expectations, FlowRecord } from './flow.ts'
import { startPath } from './sign-in-context.ts'
import { asOf, factorsNamed, isUsable } from './usable.ts'

type Identification = Extract<AuthOutcome, { kind: 'identified' }>

/** Milliseconds: whoever was just signed in when they left for their second factor is so when they are back. */
const justSignedIn = 10_000

export async function admit(arrival: Arrival, flow: FlowRecord, identified: Identification): Promise<Answer> {
  const { context, request, portal, provider, now } = arrival
  const { identity } = identified
  const { expects = {} } = flow
  const isFactor = factorsNamed(portal, provider.name).length > 0
  // made for the one and come back as the other: the configuration has changed meanwhile
  if (isFactor !== (expects.after !== undefined)) return fail(arrival, 'sign-in-unknown', 'the provider has another part now')
  const trouble = troubleWith(expects, flow.at, identity, provider)
  if (trouble) return fail(arrival, trouble.reason, trouble.detail, { account: identity.account })
  const { session, waiting } = await context.keeper.find(request, portal.session, now)
  if (isFactor) return addFactor(arrival, flow, identified, session)
  return admitFirst(arrival, expects, identified, session ?? waiting).catch((error: unknown) => {
    // whatever it was: whoever was signed in before must not go on as if nobody had come
    if (session) context.keeper.end(session, now).catch(() => undefined)
    throw error
  })
}

/** Whoever was signed in before is not any more, admitted or not: a completed sign-in replaces them (CVE-2026-34454). */
async function admitFirst(
  arrival: Arrival,
  expects: Expectations,
  identified: Identification,
  before: Session | undefined,
): Promise<Answer> {
  const { context, request, portal, provider, now, returnTo } = arrival
  if (!(await isUsable(arrival, provider))) {
    const others = { status: 403, choices: await choicesOf(arrival, provider.name) }
    return fail(arrival, 'provider-not-enough', 'it may not be used for this page, or from here', others)
  }
  const shaped = await shapedAs(arrival, identified, true)
  if (shaped instanceof PosternError) return stop(arrival, before, identified.identity, shaped)
  const identity = context.keeper.trim(shaped)
  const verdict = await portal.admit(identity, asOf(request, portal, returnTo), now)
  if (!verdict.allowed) return turnAway(arrival, before, identity, verdict)
  const trouble = await provisioned(arrival, shaped)
  if (trouble) return stop(arrival, before, shaped, trouble)
  const { endsAt, keep, tokens } = identified
  const own = {
    ...madeBy(madeAt(arrival, before, shaped)),
    ...(endsAt === undefined ? {} : { endsAt }),
    ...(keep === undefined ? {} : { keep }),
    ...(tokens && context.keeper.keeps ? { tokens } : {}),
  }
  const goesOn = before && isSteppingUp(expects, before, identity) ? continuing(before, endsAt) : {}
  // the claims that are not kept may still say which session at the provider this is
  return enter(arrival, shaped, before, { ...own, ...goesOn })
}

const entranceOf = ({ request, portal, returnTo, now }: Arrival) => ({
  portal: portal.name,
  request: asOf(request, portal, returnTo),
  now,
})

/** Who somebody is here; whatever goes wrong on the way is an answer, not an exception. */
async function shapedAs(
  arrival: Arrival,
  { identity, accessToken }: Identification,
  linked: boolean,
): Promise<Identity | PosternError> {
  const enrolment = arrival.context.enrolments?.get(arrival.provider.name)
  return enrolment ? enrolment.shape(identity, entranceOf(arrival), accessToken, linked).catch(knownTrouble) : identity
}

async function provisioned(arrival: Arrival, identity: Identity): Promise<PosternError | undefined> {
  const enrolment = arrival.context.enrolments?.get(arrival.provider.name)
  return enrolment?.provision(identity, entranceOf(arrival)).then(() => undefined, knownTrouble)
}

function knownTrouble(error: unknown): PosternError {
  if (error instanceof PosternError) return error
  throw error
}

/** The one who was signed in has come back, fresher or stronger. */
const isSteppingUp = ({ person }: Expectations, { identity: known, local, waits }: Session, identity: Identity): boolean =>
  person !== undefined && !local && !waits && fingerprintOf(known) === person && known.provider === identity.provider

/** With the portals at which all that the provider's people go through has been done, where one portal's is not another's. */
function madeAt({ context, portal, provider }: Arrival, before: Session | undefined, identity: Identity): string | undefined {
  const { fingerprint } = provider
  const own = context.enrolments?.get(provider.name)?.ownOfPortal ?? 'nothing'
  if (fingerprint === undefined || own === 'nothing') return fingerprint
  const goesOn = own === 'account' && before !== undefined && isSameShape(before.identity, identity)
  const [by, ...portals] = (goesOn ? before.madeBy : undefined)?.split('/') ?? []
  return [...new Set([fingerprint, ...(by === fingerprint ? portals : []), portal.name])].join('/')
}

const isSameShape = (a: Identity, b: Identity): boolean =>
  JSON.stringify([a.provider, a.account, a.groups, a.profile]) === JSON.stringify([b.provider, b.account, b.groups, b.profile])

const madeBy = (fingerprint: string | undefined): Pick<Opening, 'madeBy'> =>
  fingerprint === undefined ? {} : { madeBy: fingerprint }

/** Asking again makes nobody's session longer than it was, and takes no second factor away. */
const continuing = (before: Session, endsAt = Number.POSITIVE_INFINITY): Opening => ({
  endsAt: Math.min(before.endsAt, endsAt),
  ...(before.factors ? { factors: before.factors } : {}),
})

/** The session stays the first person's; that it was they who showed the factor is what `verify` or the account says. */
async function addFactor(
  arrival: Arrival,
  flow: FlowRecord,
  identified: Identification,
  before: Session | undefined,
): Promise<Answer> {
  const { context, request, portal, provider, now, returnTo, wish } = arrival
  const { after = '', person } = flow.expects ?? {}
  const factor = factorsNamed(portal, provider.name).find((candidate) => candidate.after === after)
  if (!factor || !before || before.local || before.identity.provider !== after) {
    const signIn = startPath(context.basePath, after, returnTo, wish)
    return fail(arrival, 'sign-in-expired', `nobody is signed in with ${after} any more`, { signIn })
  }
  const { account } = before.identity
  const identity = await shapedAs(arrival, identified, false)
  if (identity instanceof PosternError)
    return fail(arrival, identity.reason, identity.detail, { account: identified.identity.account, ...laterAs(identity) })
  if (fingerprintOf(before.identity) !== person)
    return fail(arrival, 'other-person', 'somebody else has signed in meanwhile', { account: identity.account })
  if (!provider.asking?.verify && !isSameText(identity.account, account))
    return fail(arrival, 'other-person', 'the second factor names another account', { account: identity.account })
  const verdict = await factor.admit?.(context.keeper.trim(identity), asOf(request, portal, returnTo), now)
  if (verdict && !verdict.allowed) return fail(arrival, verdict.reason, whyOf(verdict), explanation(verdict, identity))
  const opening = withFactor(before, factorKey(provider), flow.at, now)
  const tokens = before.tokens && (await takeTokens(context.keeper, before, portal.session, now))
  return enter(arrival, before.identity, before, { ...opening, ...(tokens ? { tokens } : {}) })
}

function withFactor(before: Session, key: string, begunAt: Instant, now: Instant): Opening {
  const { createdAt, endsAt, keep, providerSession, factors = {} } = before
  const wasNew = factors[key] === undefined && begunAt - createdAt < justSignedIn
  return {
    endsAt,
    ...madeBy(before.madeBy),
    ...(wasNew ? {} : { createdAt }),
    ...(keep === undefined ? {} : { keep }),
    ...(providerSession === undefined ? {} : { providerSession }),
    factors: { ...factors, [key]: now },
  }
}

/** As everybody who is turned away; what may be well again in a moment is said to be so. */
function stop(arrival: Arrival, before: Session | undefined, identity: Identity, error: PosternError): Answer {
  return turnAway(
    arrival,
    before,
    identity,
    { allowed: false, reason: error.reason, rule: '', detail: error.detail },
    laterAs(error),
  )
}

/** Seconds. */
const laterAs = ({ reason }: PosternError): { readonly retryAfter?: number } =>
  describe(reason).status === 503 ? { retryAfter: 5 } : {}
