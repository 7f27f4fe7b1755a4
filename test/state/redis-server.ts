// A Redis of our own on a free port, for one test file.
import { type RedisServer as Server, startRedis as start } from '../support/redis.ts'

export { findRedis } from '../support/redis.ts'

export interface RedisServer extends Omit<Server, 'close' | 'pid'> {
  /** For good. */
  end(): Promise<void>
}

export async function startRedis(_binary: string, extra: readonly string[] = []): Promise<RedisServer> {
  const { close, url, port, kill, start: again } = await start(extra)
  return { url, port, kill, start: again, end: close }
}
