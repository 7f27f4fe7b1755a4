// Writing what a provider gave in exchange for a token that is used up now: it must not be lost, whatever the store does just then.
import { PosternError } from '../../errors.ts'
import type { Clock, Session, SessionRules } from '../../types.ts'
import { isSame } from './refresh-tokens.ts'
import type { Change, SessionKeeper } from './session.ts'

export interface Writing {
  readonly keeper: Pick<SessionKeeper, 'reread' | 'replace'>
  readonly clock: Clock
  readonly pause: (milliseconds: number) => Promise<void>
  /** The process is ending: a few more attempts. */
  readonly isClosed: () => boolean
  readonly say: (level: 'warn' | 'error', msg: string, error: unknown) => void
}

/** Milliseconds of real time. */
const shortestPause = 200
const longestPause = 10_000
const pauseWhenClosing = 1000
const attemptsWhenClosing = 5

/**
 * While the store is away the process keeps it and goes on trying, at most until the session's end. Somebody may have taken the mark for
 * abandoned meanwhile; a token that is newer than ours is left alone. An Error: it can never be written.
 */
export async function writeUntilItHolds(
  { keeper, clock, pause, isClosed, say }: Writing,
  session: Session,
  change: Change,
  rules: SessionRules,
): Promise<Session | 'over' | 'unchanged' | Error> {
  let latest = session
  for (let attempt = 0, closing = 0; closing < attemptsWhenClosing && clock() < session.endsAt; attempt++) {
    try {
      const written = await keeper.replace(latest, change, rules, clock())
      if (written) return written
      const current = await keeper.reread(latest, rules, clock())
      if (!current) return 'over'
      if (!isSame(current.tokens, session.tokens)) return current
      latest = current
    } catch (error) {
      if (!isDown(error)) return error as Error
      if (attempt === 0) say('warn', 'refreshed tokens wait for the session store', error)
      if (isClosed()) closing++
      await pause(Math.min(shortestPause * 2 ** attempt, isClosed() ? pauseWhenClosing : longestPause))
    }
  }
  say('error', 'refreshed tokens could not be written', undefined)
  return 'unchanged'
}

const isDown = (error: unknown): boolean => error instanceof PosternError && error.reason === 'store-unavailable'
