// Ending sessions that were not brought along: everybody's of one sign-in at the provider, everybody's of one person. Owns that it holds
// here at once, that the store forgets them and that portals are told; must not know who asked for it.
import { PosternError } from '../../errors.ts'
import type { Instant, Session } from '../../types.ts'
import type { Selector } from '../sessions/revocations.ts'
import type { SessionFilter, SessionRecord } from '../sessions/session-store.ts'
import { asSession } from '../sessions/session-time.ts'
import type { SignInContext } from '../signing-in/sign-in-context.ts'
import type { SignOutReason } from './on-sign-out.ts'

export interface Meant {
  readonly selector: Selector
  /** What the store finds them by; it may find others too. */
  readonly filter: SessionFilter
}
export interface EndedSessions {
  /** False: it holds here and is tried until it holds everywhere, which cannot be said yet. */
  readonly isSure: boolean
  /** Those that were found: all of them only where the store keeps sessions. */
  readonly found: readonly SessionRecord[]
}

/** Sessions of one person, or of one sign-in at the provider, are few; where only the provider is known, these are the newest. */
const mostFound = 1000

/** Of one sign-in at the provider. */
export const ofProviderSession = (providerSession: string, filter: SessionFilter): Meant => ({
  selector: { providerSession },
  filter,
})

export const ofPerson = ({ identity: { issuer, subject } }: Pick<Session, 'identity'>): SessionFilter => ({
  person: { issuer, subject },
})

/** Never rejects for a store that is down. */
export async function endSessions(context: SignInContext, meant: Meant, reason: SignOutReason): Promise<EndedSessions> {
  const { keeper, revocations, clock } = context
  const now = clock()
  // looked for first: what has been revoked is not listed any more
  const found = await find(context, meant, now)
  const revoking = isDone(revocations.revoke(meant.selector, now, now + longestLifetime(context)))
  for (const record of found ?? []) context.onSignOut?.ended(record, reason)
  const gone = keeper.keeps ? (found ?? []).map((record) => isDone(keeper.end(asSession(record), now))) : []
  const done = await Promise.all([revoking, ...gone])
  return { isSure: done.every(Boolean), found: found ?? [] }
}

/** undefined: nobody wants to know, or the store cannot say. */
async function find(
  { keeper, onSignOut }: SignInContext,
  { selector, filter }: Meant,
  now: Instant,
): Promise<readonly SessionRecord[] | undefined> {
  if (!keeper.keeps && !onSignOut) return undefined
  const list = await keeper.list(filter, mostFound, now).catch(unlessDown)
  const { providerSession } = selector
  return list?.records.filter(
    (record) =>
      record.createdAt <= now && !record.local && (providerSession === undefined || record.providerSession === providerSession),
  )
}

/** No session outlives the longest lifetime there is. */
export const longestLifetime = ({ portals }: Pick<SignInContext, 'portals'>): number =>
  Math.max(0, ...[...portals.values()].map(({ session }) => session.lifetime))

/** False where the store could not be told. */
export const isDone = (ending: Promise<void>): Promise<boolean> =>
  ending.then(
    () => true,
    (error: unknown) => {
      unlessDown(error)
      return false
    },
  )

function unlessDown(error: unknown): undefined {
  if (error instanceof PosternError && error.reason === 'store-unavailable') return undefined
  throw error
}
