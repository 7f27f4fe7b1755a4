// What portals are told when a session of theirs has ended (`onSignOut`). Owns that each session is told of once, how many calls run at
// a time and how often one is repeated. Must not know why a sign-out is allowed, and never holds one up or lets it fail.
import { LRUCache } from 'lru-cache'
import type { Board } from '../../board.ts'
import { factsOf } from '../../facts.ts'
import type { Log } from '../../log.ts'
import type { Clock, Facts, Instant, RequestView, Session } from '../../types.ts'
import { CallError, type OutboundCall } from '../accounts/outbound-call.ts'
import { keyed, sendRepeatedly } from '../accounts/repeated-call.ts'
import type { SessionRecord, SessionStore } from '../sessions/session-store.ts'

/**
 * The fact `reason`. `sign-out`: the person asked us; `portal`: the person asked the portal (`endsSession`); `provider`: the provider told
 * us; `revoked`: an administrator; `displaced`: by a newer session of the person; `replaced`: by somebody else's sign-in in the same
 * browser; `refused`: the provider or a rule would not have them any more; `idle`, `expired`: time.
 */
export type SignOutReason =
  | 'sign-out'
  | 'portal'
  | 'provider'
  | 'revoked'
  | 'displaced'
  | 'replaced'
  | 'refused'
  | 'idle'
  | 'expired'
export type Ended = Pick<Session, 'id' | 'audience' | 'identity' | 'endsAt' | 'local' | 'waits'>

export interface OnSignOut {
  /** Returns at once and never throws. Only the first reason given for a session is told. */
  ended(session: Ended, reason: SignOutReason): void
  /** Looks for sessions whose time is over; to be called every few seconds. Never rejects. */
  sweep(now: Instant): Promise<void>
  /** When nothing is looked for and nothing is being told any more. */
  settled(): Promise<void>
}
export interface SignOutCall {
  /** Whose call it is: the fact `portal`. */
  readonly portal: string
  readonly call: OutboundCall
  /** Milliseconds for the call and its repetitions together. */
  readonly timeout: number
}
export interface OnSignOutOptions {
  /** By the audience of the sessions that end. */
  readonly calls: ReadonlyMap<string, readonly SignOutCall[]>
  readonly log: Pick<Log, 'audit' | 'server'>
  readonly clock: Clock
  /** Absent: told once per process. */
  readonly board?: Board
  /** Where time-outs are found. */
  readonly store?: Pick<SessionStore, 'takeExpired'>
}

const mostAtOnce = 8
const mostWaiting = 10_000
/** Milliseconds, times the attempts so far. */
const betweenAttempts = 250
const mostPerLook = 500
/** Milliseconds after a session's end for which it stays known that its end was told of. */
const rememberedFor = 3_600_000

export function createOnSignOut(options: OnSignOutOptions): OnSignOut {
  const told = new LRUCache<string, true>({ max: mostWaiting * 2 })
  // of its own for each audience: a portal that does not answer keeps no other waiting
  const lanes = new Map([...options.calls.keys()].map((audience) => [audience, createErrands(options.log)] as const))
  let looking: Promise<void> | undefined

  const ended: OnSignOut['ended'] = (session, reason) => {
    const calls = options.calls.get(session.audience)
    // nobody was signed in by it: the portal's own sign-in was chosen, or the person was still being asked
    const lane = lanes.get(session.audience)
    if (!calls || !lane || session.local || session.waits || told.has(session.id)) return
    told.set(session.id, true)
    lane.add(async () => {
      if (await isFirst(session, options)) await Promise.all(calls.map((call) => tell(call, session, reason, options)))
    })
  }
  const look = async (now: Instant): Promise<void> => {
    for (;;) {
      const records = (await options.store?.takeExpired(now, mostPerLook)) ?? []
      for (const record of records) ended(record, timeOutOf(record, now))
      if (records.length < mostPerLook) return
    }
  }
  return {
    ended,
    async sweep(now) {
      if (looking) return
      looking = look(now).catch(() => undefined) // a store that is down says so elsewhere; the next look finds the same
      await looking
      looking = undefined
    },
    async settled() {
      await looking // what the store gives is given once
      await Promise.all([...lanes.values()].map(({ settled }) => settled()))
    },
  }
}

const timeOutOf = ({ endsAt }: SessionRecord, now: Instant): SignOutReason => (endsAt <= now ? 'expired' : 'idle')

/** A board that is down makes it twice rather than never. */
async function isFirst({ id, endsAt }: Ended, { board, clock }: OnSignOutOptions): Promise<boolean> {
  const forMs = Math.max(0, endsAt - clock()) + rememberedFor
  return (await board?.once(`sign-out-told ${id}`, forMs).catch(() => true)) ?? true
}

/** A few at a time, in order; what comes when too many wait is dropped, and the log says so. */
function createErrands(log: Pick<Log, 'server'>) {
  const waiting: (() => Promise<void>)[] = []
  const running = new Set<Promise<void>>()
  let hasComplained = false

  const start = () => {
    const next = running.size < mostAtOnce ? waiting.shift() : undefined
    if (!next) return
    const run = next()
      .catch(() => undefined)
      .finally(() => {
        running.delete(run)
        start()
      })
    running.add(run)
  }
  return {
    add(errand: () => Promise<void>): void {
      if (waiting.length >= mostWaiting) {
        if (!hasComplained)
          log.server('warn', 'Too many sign-outs wait to be told of: some portals hear nothing.', { mostWaiting })
        hasComplained = true
        return
      }
      hasComplained = false
      waiting.push(errand)
      start()
    },
    async settled(): Promise<void> {
      while (running.size > 0) await Promise.all(running)
    },
  }
}

async function tell(wanted: SignOutCall, session: Ended, reason: SignOutReason, { log, clock }: OnSignOutOptions): Promise<void> {
  const { portal, call, timeout } = wanted
  try {
    const filled = await call.fill(signOutFacts(session.identity, portal, reason, clock()))
    await sendRepeatedly(call, keyed(filled, [session.id]), AbortSignal.timeout(timeout), betweenAttempts)
  } catch (error) {
    const { provider, account } = session.identity
    const detail = error instanceof CallError ? error.message : 'it failed'
    log.audit('sign-out not told to the portal', { portal, provider, account, reason, detail })
  }
}

/** No request is behind it: a session may end for want of one. */
function signOutFacts(identity: Session['identity'], portal: string, reason: SignOutReason, now: Instant): Facts {
  const {
    request: _request,
    client_ip: _address,
    is_client_ip_private: _private,
    ...facts
  } = factsOf(identity, noRequest, portal, now)
  return { ...facts, reason }
}
const noRequest = { method: '', path: '', query: '', host: '', clientAddress: null } as unknown as RequestView
