// Sessions of one configuration: where they are kept, who finds, refreshes, lists and ends them. What outlives a configuration is
// given in.
import type { Board } from '../board.ts'
import { createIdentify, type Identify } from '../identity/identify.ts'
import { createRefresher } from '../identity/sessions/refresh.ts'
import type { Revocations } from '../identity/sessions/revocations.ts'
import type { Sealer } from '../identity/sessions/seal.ts'
import { createSessionKeeper, type SessionKeeper } from '../identity/sessions/session.ts'
import { createSessionRegister, type SessionRegister } from '../identity/sessions/session-register.ts'
import type { SessionStore } from '../identity/sessions/session-store.ts'
import { createCookieStore } from '../identity/sessions/stores/cookie.ts'
import { observeStore } from '../identity/sessions/stores/observed.ts'
import { createTellingKeeper } from '../identity/sessions/telling-keeper.ts'
import type { SessionLimit } from '../identity/signing-in/sign-in-context.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import type { Clock, Instant, Portal, Provider, Session } from '../types.ts'
import type { CompiledEnrolment } from './compile-enrolment.ts'
import type { CompiledSignOut } from './compile-sign-out.ts'
import type { Config } from './schema.ts'

/** What outlives generations: a reload signs nobody out and forgets no sign-out. */
export interface SessionBacking {
  /** Absent: sessions live in cookies. */
  readonly storeOf?: (sealer: Sealer) => SessionStore
  /** Where replicas tell each other what happens; absent where this process is alone. */
  readonly board?: Board
  readonly revocations: Revocations
  /** Every process that could be asked for a session hears of its end. */
  readonly everywhere: boolean
}
export interface SessionParts {
  readonly backing: SessionBacking
  readonly providers: ReadonlyMap<string, Provider>
  readonly enrolments: ReadonlyMap<string, CompiledEnrolment>
  readonly portals: ReadonlyMap<string, Portal>
  readonly store: SessionStore
  readonly sealer: Sealer
  readonly signOut: CompiledSignOut | undefined
  readonly log: Log
  readonly clock: Clock
  readonly metrics: Metrics
}
export interface CompiledSessions {
  readonly keeper: SessionKeeper
  readonly identify: Identify
  readonly register: SessionRegister
  readonly limit?: SessionLimit
  /** Until when a session goes on by what is known now; undefined: it is over. */
  readonly stillOpen: (session: Session) => Promise<Instant | undefined>
  readonly close: () => Promise<void>
}

export function openStore({ storeOf }: SessionBacking, sealer: Sealer, metrics: Metrics): SessionStore {
  const store = storeOf?.(sealer)
  if (!store) return createCookieStore(sealer)
  return observeStore(store, {
    stopwatch: () => performance.now() / 1000,
    onStoreCall: metrics.storeCall,
    onStoreError: metrics.storeError,
  })
}

export function compileSessions(config: Config, parts: SessionParts): CompiledSessions {
  const { backing, clock, log, portals, store, sealer } = parts
  const { revocations, board } = backing
  const onSignOut = parts.signOut?.onSignOut
  const bare = createSessionKeeper({ sealer, claims: config.session.claims, revocations, store })
  const keeper = onSignOut ? createTellingKeeper(bare, onSignOut) : bare
  const refresher = board && store.keeps ? createRefresher(refreshing({ ...parts, keeper: bare, board })) : undefined
  const rules = new Map([...portals.values()].map(({ session }) => [session.audience, session] as const))
  const { maxPerUser: most, onLimit } = config.session
  return {
    keeper,
    identify: createIdentify(keeper, refresher),
    register: createSessionRegister({
      keeper: bare,
      revocations,
      portals,
      everywhere: backing.everywhere,
      log,
      clock,
      ...(store.keeps ? { store } : {}),
      ...(onSignOut ? { onSignOut } : {}),
    }),
    ...(most > 0 ? { limit: { most, onLimit } } : {}),
    stillOpen: async (session) => {
      const own = rules.get(session.audience)
      // whose provider has left, or is another one now, is nobody
      const by = parts.providers.get(session.identity.provider)?.fingerprint
      if (!own || by !== session.madeBy?.split('/')[0]) return undefined
      const now = await keeper.reread(session, own, clock())
      return now && Math.min(now.idleUntil, now.endsAt)
    },
    close: async () => {
      await refresher?.close()
      await parts.signOut?.close()
    },
  }
}

function refreshing({ keeper, board, ...parts }: SessionParts & { readonly keeper: SessionKeeper; readonly board: Board }) {
  const { providers, enrolments, clock, log, metrics, signOut } = parts
  return {
    keeper,
    board,
    providers,
    enrolments: new Map([...enrolments].map(([name, { enrolment }]) => [name, enrolment] as const)),
    clock,
    log,
    onResult: metrics.refresh,
    end: (session: Session, _portal: Portal, now: Instant) => {
      signOut?.onSignOut.ended(session, 'refused')
      return keeper.end(session, now)
    },
  }
}
