// Sessions for whoever runs this: listed, and revoked by what is known of their person. Knows names of portals, where the rest of
// identity/ knows audiences; answers nobody by itself.
import { PosternError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Clock, Instant, Portal } from '../../types.ts'
import type { OnSignOut } from '../signing-out/on-sign-out.ts'
import type { Revocations } from './revocations.ts'
import type { SessionKeeper } from './session.ts'
import type { SessionFilter, SessionRecord, SessionStore } from './session-store.ts'
import { asSession, overAt } from './session-time.ts'

export interface SessionQuestion {
  readonly id?: string
  readonly account?: string
  readonly provider?: string
  readonly portal?: string
  readonly person?: { readonly issuer: string; readonly subject: string }
}
export interface ListedSession {
  readonly id: string
  readonly account: string
  readonly provider: string
  readonly issuer: string
  readonly subject: string
  /** More than one where they share a session group. */
  readonly portals: readonly string[]
  /** ISO 8601; `lastUsed` to a tenth of the idle time. */
  readonly signedIn: string
  readonly lastUsed: string
  /** If nobody uses it meanwhile. */
  readonly ends: string
}
export interface SessionRegister {
  /** The newest first. Throws PosternError('store-unavailable'). */
  list(question: SessionQuestion): Promise<{ readonly sessions: readonly ListedSession[]; readonly complete: boolean }>
  /**
   * Ends what matches, also what is not listed; here at once. `everywhere`: every replica is sure to learn of it. Rejects with
   * PosternError('store-unavailable') where that is not sure yet. Sessions that are begun afterwards are not meant.
   */
  revoke(question: SessionQuestion): Promise<{ readonly everywhere: boolean }>
  /** A portal, or a provider of one, has this name. */
  knows(kind: 'portal' | 'provider', name: string): boolean
  /** Every session can be found: one that is not listed is none. */
  readonly isComplete: boolean
}
export interface RegisterOptions {
  readonly keeper: Pick<SessionKeeper, 'list' | 'end' | 'keeps'>
  /** Where it keeps sessions. Without it, each of those that are found is revoked by itself, too. */
  readonly store?: Pick<SessionStore, 'remove' | 'list'>
  readonly revocations: Revocations
  readonly portals: ReadonlyMap<string, Portal>
  /** Other replicas learn of revocations, or there are none that could have the session. */
  readonly everywhere: boolean
  readonly onSignOut?: Pick<OnSignOut, 'ended'>
  readonly log: Pick<Log, 'audit' | 'server'>
  readonly clock: Clock
}

const mostListed = 1000
/** Looked for to be taken out of the store: the revocation ends the others all the same, they only take up room. */
const mostTakenOut = 10_000
const atOnce = 100
/** Milliseconds: a session that begins just after a revocation says that it began a moment later. */
const ahead = 2000

export function createSessionRegister(options: RegisterOptions): SessionRegister {
  const { keeper, revocations, portals, log, clock } = options

  const filterOf = ({ portal, ...question }: SessionQuestion): SessionFilter => {
    const audience = portal === undefined ? undefined : portals.get(portal)?.session.audience
    // of a portal that is not there, nothing is found
    return portal === undefined ? question : { ...question, audience: audience ?? `no portal ${portal}` }
  }

  /** The store gives what is revoked, too; the keeper does not, and must be asked before. */
  async function open(filter: SessionFilter, now: Instant): Promise<readonly SessionRecord[]> {
    try {
      const { store } = options
      return (await (store ? store.list(filter, mostTakenOut) : keeper.list(filter, mostTakenOut, now))).records
    } catch (error) {
      if (!(error instanceof PosternError)) throw error
      log.server('warn', 'the sessions that are revoked cannot be taken out of the store: they open nothing', {
        detail: error.detail,
      })
      return []
    }
  }
  /** The records go too, where the store keeps them: they would count as open. */
  async function takeOut(records: readonly SessionRecord[], now: Instant): Promise<void> {
    for (const record of records) options.onSignOut?.ended(record, 'revoked')
    for (let from = 0; from < records.length; from += atOnce) {
      const some = records.slice(from, from + atOnce)
      await Promise.all(some.map((record) => remove(record, now)))
    }
  }
  const remove = async (record: SessionRecord, now: Instant): Promise<void> => {
    // begun before the clock was set back: a revocation up to now does not mean it
    if (record.createdAt > now + ahead) return keeper.end(asSession(record), now)
    if (!keeper.keeps) return
    if (!options.store) return keeper.end(asSession(record), now)
    await options.store.remove(record).catch(() => undefined) // the revocation says whether it holds
  }

  return {
    isComplete: keeper.keeps,
    knows: (kind, name) => (kind === 'portal' ? portals.has(name) : providersOf(portals).has(name)),
    async list(question) {
      const { records, complete } = await keeper.list(filterOf(question), mostListed, clock())
      return { sessions: records.map((record) => listed(record, portals)), complete: complete && keeper.keeps }
    },
    async revoke(question) {
      const filter = filterOf(question)
      const { id, ...others } = filter
      const { portal, account, provider, person } = question
      const { everywhere } = options
      // a slow store must not hold the revocation up: where it can be asked afterwards, it is
      const known = options.store ? [] : await open(filter, clock())
      const now = clock()
      log.audit('sessions revoked', { session: id, account, provider, portal, ...person, everywhere })
      const until = Math.max(now + longestOf(portals), ...known.map(({ endsAt }) => endsAt))
      const told = revocations.revoke(id === undefined ? others : { session: id }, now, until)
      const taken = async () => {
        const found = options.store ? await open(filter, now) : known
        const lookedAt = clock()
        // whoever has signed in meanwhile is not meant
        await takeOut(
          found.filter(({ createdAt }) => createdAt <= now || createdAt > lookedAt + ahead),
          now,
        )
      }
      await Promise.all([told, taken()])
      return { everywhere }
    },
  }
}

const providersOf = (portals: ReadonlyMap<string, Portal>): ReadonlySet<string> =>
  new Set(
    [...portals.values()].flatMap(({ providers, secondFactors }) =>
      [...providers, ...secondFactors.map(({ provider }) => provider)].map(({ name }) => name),
    ),
  )

/** Nobody's session is longer than this from now on. */
const longestOf = (portals: ReadonlyMap<string, Portal>): number =>
  Math.max(0, ...[...portals.values()].map(({ session }) => session.lifetime))

function listed(record: SessionRecord, portals: ReadonlyMap<string, Portal>): ListedSession {
  const { id, identity, createdAt, touchedAt } = record
  const { account, provider, issuer, subject } = identity
  const opened = [...portals.values()].filter(({ session }) => session.audience === record.audience)
  const [rules] = opened.map(({ session }) => session)
  const ends = rules ? overAt(record, rules) : record.endsAt
  const [signedIn = '', lastUsed = '', over = ''] = [createdAt, touchedAt, ends].map((at) => new Date(at).toISOString())
  return {
    id,
    account,
    provider,
    issuer,
    subject,
    portals: opened.map(({ name }) => name),
    signedIn,
    lastUsed,
    ends: over,
  }
}
