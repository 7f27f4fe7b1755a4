// The board that replicas share. Each word is a key of its own, so that a Cluster takes them anywhere; keys are hashed, since what
// is filed under may be somebody's.
import { hash, randomUUID } from 'node:crypto'
import type { Board } from '../board.ts'
import { checkedWord } from './board-word.ts'
import type { RedisConnection } from './redis-connection.ts'

/** A Cluster's client sends a command again after a loss: what is there may be what we said ourselves a moment ago. */
const first = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0`
const renewing = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`
const releasing = `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`

const keyOf = (word: string): string => `postern:board:${hash('sha256', word, 'base64url')}`
const lasting = (forMs: number): number => Math.max(1, Math.ceil(forMs))

export function createRedisBoard(connection: RedisConnection): Board {
  const run = async (script: string, key: string, ...rest: readonly (string | number)[]): Promise<boolean> =>
    (await connection.run(script, [key], rest)) === 1
  return {
    once: async (key, forMs) => run(first, keyOf(checkedWord('once', key)), randomUUID(), lasting(forMs)),
    async put(key, text, forMs) {
      const word = keyOf(checkedWord('text', key, text))
      await connection.ask((redis) => redis.set(word, text, 'PX', lasting(forMs)))
    },
    async get(key) {
      const word = keyOf(checkedWord('text', key))
      return (await connection.ask((redis) => redis.get(word))) ?? undefined
    },
    async take(key) {
      const word = keyOf(checkedWord('text', key))
      return (await connection.ask((redis) => redis.getdel(word))) ?? undefined
    },
    async lease(key, forMs) {
      const word = keyOf(checkedWord('lease', key))
      const owner = randomUUID()
      if (!(await run(first, word, owner, lasting(forMs)))) return undefined
      return {
        renew: () => run(renewing, word, owner, lasting(forMs)),
        release: async () => void (await run(releasing, word, owner).catch(() => false)), // it ends by itself
      }
    },
  }
}
