// Replicas over one store and one board, a provider that renews as a script says, people who are signed in.
import type { Board } from '../../../src/board.ts'
import { RenewalError } from '../../../src/errors.ts'
import type { Enrolment } from '../../../src/identity/accounts/enrolment.ts'
import { createIdentify } from '../../../src/identity/identify.ts'
import { createRefresher, type RefresherOptions } from '../../../src/identity/sessions/refresh.ts'
import { createRevocations } from '../../../src/identity/sessions/revocations.ts'
import { createSealer } from '../../../src/identity/sessions/seal.ts'
import { createSessionKeeper, type SessionKeeper } from '../../../src/identity/sessions/session.ts'
import type { SessionStore } from '../../../src/identity/sessions/session-store.ts'
import { createMemorySessions, createMemoryStore } from '../../../src/identity/sessions/stores/memory.ts'
import { createMemoryBoard } from '../../../src/state/board-memory.ts'
import type { AuthOutcome, Identified, Identity, Portal, Session, Tokens } from '../../../src/types.ts'
import { identityOf, keyA, minute, noon, portalOf, requestOf, routeOf, ScriptedProvider, TestClock, TestLog } from '../harness.ts'
import { headerOf } from './keeper.ts'

type Identification = Extract<AuthOutcome, { kind: 'identified' }>

export class RenewingProvider extends ScriptedProvider {
  /** Refresh tokens in the order in which they were sent. */
  readonly spent: string[] = []
  /** Instead of new tokens. */
  failure: RenewalError | Error | undefined
  /** Answers wait for it. */
  gate: Promise<void> | undefined
  identity: (session: Session) => Identity = ({ identity }) => ({ ...identity })
  override readonly login = {
    ...new ScriptedProvider('PLAY').login,
    renew: async (session: Session): Promise<Identification> => {
      const { tokens } = session
      this.spent.push(tokens?.refresh ?? 'none')
      await this.gate
      if (this.failure) throw this.failure
      const access = `access-${this.spent.length}`
      return {
        kind: 'identified',
        identity: this.identity(session),
        accessToken: access,
        tokens: tokensAt(this.clock.now, { access, refresh: `refresh-${this.spent.length}` }),
      }
    },
  }
  readonly clock: TestClock
  constructor(clock: TestClock) {
    super('PLAY')
    this.clock = clock
  }
}

/** Five minutes, of which four pass before anybody asks. */
export const tokensAt = (now: number, extra: Partial<Tokens> = {}): Tokens => ({
  access: 'access-0',
  refresh: 'refresh-0',
  accessEndsAt: now + 5 * minute,
  refreshAt: now + 4 * minute,
  ...extra,
})

/** Until it is opened. */
export function gate(): { readonly closed: Promise<void>; readonly open: () => void } {
  let open = () => {}
  const closed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { closed, open }
}
/** Whatever is ready to run has run. */
export async function settled(): Promise<void> {
  await turns(200)
}
/** Of the event loop: pauses of any length, in their order, without any time. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

export interface Replica {
  readonly keeper: SessionKeeper
  readonly log: TestLog
  readonly results: string[]
  /** What a page load of the person is taken for. */
  readonly who: (cookies: string) => Identified | Promise<Identified>
  readonly close: () => Promise<void>
}

export function replicas(parts: Partial<Pick<RefresherOptions, 'pause'>> & { enrolment?: Partial<Enrolment> } = {}) {
  const clock = new TestClock()
  const play = new RenewingProvider(clock)
  const portal: Portal = portalOf('home', [play])
  const sessions = createMemorySessions()
  const sealer = createSealer([keyA])
  const board: Board = createMemoryBoard({ clock: clock.read })
  const log = new TestLog()
  const revocations = createRevocations({ log })
  const start = (with_: { store?: (own: SessionStore) => SessionStore; board?: Board } = {}): Replica => {
    const own = createMemoryStore({ sessions, sealer, clock: clock.read })
    const keeper = createSessionKeeper({ sealer, claims: [], revocations, store: with_.store?.(own) ?? own })
    const results: string[] = []
    const refresher = createRefresher({
      keeper,
      board: with_.board ?? board,
      providers: new Map([['PLAY', play]]),
      clock: clock.read,
      log,
      onResult: (provider, result) => void results.push(`${provider} ${result}`),
      pause: parts.pause ?? ((milliseconds) => turns(milliseconds / 100)),
      ...(parts.enrolment ? { enrolments: new Map([['PLAY', enrolmentOf(parts.enrolment)]]) } : {}),
    })
    const identify = createIdentify(keeper, refresher)
    return {
      keeper,
      log,
      results,
      who: (cookies) => identify(requestOf({ cookies }), portal, routeOf(), clock.now),
      close: () => refresher.close(),
    }
  }
  const anna = async ({ keeper }: Replica, tokens = tokensAt(noon), extra: Partial<Identity> = {}): Promise<string> =>
    headerOf((await keeper.open(identityOf('anna', extra), portal.session, clock.now, { tokens })).cookies)
  return { clock, play, portal, board, log, start, anna, sessions }
}

const enrolmentOf = (extra: Partial<Enrolment>): Enrolment => ({
  ownOfPortal: 'nothing',
  shape: async (identity) => identity,
  provision: async () => {},
  ...extra,
})

export const ended = new RenewalError('ended', 'token endpoint: invalid_grant')
export const notTaken = new RenewalError('not-taken', 'it answered 503')
export const unknown = new RenewalError('unknown', 'no answer in time')
