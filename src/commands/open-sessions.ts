// What sessions need that outlives a configuration: the store's contents or the way to it, what replicas share, what was revoked.
import type { Board } from '../board.ts'
import type { SessionBacking } from '../config/compile-sessions.ts'
import type { Config } from '../config/schema.ts'
import { createRevocations, type Revocations } from '../identity/sessions/revocations.ts'
import { createSharedRevocations } from '../identity/sessions/shared-revocations.ts'
import { createMemorySessions, createMemoryStore } from '../identity/sessions/stores/memory.ts'
import { createRedisStore } from '../identity/sessions/stores/redis.ts'
import type { Log } from '../log.ts'
import { createMemoryBoard } from '../state/board-memory.ts'
import { observeBoard } from '../state/board-observed.ts'
import { createRedisBoard } from '../state/board-redis.ts'
import { createRedisFeed } from '../state/feed-redis.ts'
import { connectRedis, type RedisConnection } from '../state/redis-connection.ts'
import type { Clock } from '../types.ts'

export interface OpenSessions {
  readonly backing: SessionBacking
  /** Everything that sessions need answers; always true without Redis. */
  isUp(): boolean
  /** Resolves when what others have revoked is known, or cannot be for now. */
  readonly ready: Promise<unknown>
  close(): void
}
interface Parts {
  readonly clock: Clock
  readonly log: Log
  /** As configured now: keys are rotated by a reload. */
  readonly keys: () => readonly string[]
  /** What replicas share could not be asked or told. */
  readonly onError: (operation: string) => void
}

/** By the configuration of the start: another store takes effect at the next one. */
export function openSessions({ session, server }: Config, parts: Parts): OpenSessions {
  const { clock, log } = parts
  if (session.store === 'memory') return inMemory(clock, createRevocations({ log }))
  if (session.store !== 'cookie') {
    const connection = connectRedis(session.store, { log, name: 'session store', ...tlsOf(session) })
    return overRedis(connection, session.staleness, parts, {
      storeOf: (sealer) => createRedisStore({ connection, sealer, clock, staleness: session.staleness }),
    })
  }
  // whoever has a Redis for accounts shares with it who was signed out, too
  if (server.state !== undefined && !server.state.startsWith('sqlite:'))
    return overRedis(
      connectRedis(server.state, { log, name: 'shared memory', ...(server.stateTls ? { tls: server.stateTls } : {}) }),
      session.staleness,
      parts,
      {},
    )
  return alone(createRevocations({ log }))
}

const tlsOf = ({ storeTls }: Config['session']) => (storeTls ? { tls: storeTls } : {})

const alone = (revocations: Revocations): OpenSessions => ({
  backing: { revocations, everywhere: false },
  isUp: () => true,
  ready: Promise.resolve(),
  close: () => undefined,
})

function inMemory(clock: Clock, revocations: Revocations): OpenSessions {
  const sessions = createMemorySessions()
  return {
    ...alone(revocations),
    backing: {
      revocations,
      board: createMemoryBoard({ clock }),
      everywhere: true,
      storeOf: (sealer) => createMemoryStore({ sessions, sealer, clock }),
    },
  }
}

function overRedis(
  connection: RedisConnection,
  staleness: number,
  { clock, log, keys, onError }: Parts,
  own: Pick<SessionBacking, 'storeOf'>,
): OpenSessions {
  const feed = createRedisFeed(connection)
  const revocations = createSharedRevocations({ feed, keys, log, clock, ticks: () => performance.now(), staleness })
  const board: Board = observeBoard(createRedisBoard(connection), onError)
  return {
    backing: { ...own, revocations, board, everywhere: true },
    isUp: () => revocations.isCurrent(),
    ready: revocations.poll(),
    close: () => {
      revocations.close()
      feed.close()
      connection.close()
    },
  }
}
