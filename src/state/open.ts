// `server.state` -> the store behind it.
import type { Log } from '../log.ts'
import type { StateStore } from '../state.ts'
import type { Clock } from '../types.ts'
import { unavailable } from './entry.ts'
import { createRedisState } from './redis.ts'
import type { RedisTls } from './redis-connection.ts'
import { createSqliteState } from './sqlite.ts'

/**
 * `url`: `sqlite:FILE`, or a Redis as redis-address.ts reads it. Throws PosternError('store-unavailable') where a file cannot be opened; a Redis
 * that is not there yet is asked again and again.
 */
export function openState(
  url: string,
  parts: { readonly clock: Clock; readonly log: Pick<Log, 'server'>; readonly tls?: RedisTls },
): StateStore {
  if (url.startsWith('sqlite:')) return createSqliteState({ file: url.slice('sqlite:'.length), clock: parts.clock })
  if (/^rediss?(\+\w+)?:\/\//.test(url)) return createRedisState({ url, ...parts })
  throw unavailable('server.state names no store that is known')
}
