// State in Redis or what speaks its language, for several replicas. Scripts make each change whole; an index beside the entries
// gives lists their order. All keys are of one hash slot, so that a cluster takes them too. How much a crash of the server may
// take is the server's setting (`appendfsync`), not ours.
import type { Log } from '../log.ts'
import type { StateStore } from '../state.ts'
import type { Clock } from '../types.ts'
import { checkedKey, parsed, textOf } from './entry.ts'
import { connectRedis, type RedisTls } from './redis-connection.ts'

const prefix = '{postern}:state:'
const index = '{postern}:state-index'

const changing = `
local present = redis.call('GET', KEYS[1])
if ARGV[1] == 'absent' then
  if present then return 0 end
elseif present ~= ARGV[2] then return 0 end
if ARGV[3] == 'remove' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[6])
  return 1
end
if ARGV[5] == '' then redis.call('SET', KEYS[1], ARGV[4])
else redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5]) end
redis.call('ZADD', KEYS[2], 0, ARGV[6])
return 1`

/** What has ended is still in the index: it leaves it here. */
const listing = `
local found, from, most = {}, '[' .. ARGV[1], tonumber(ARGV[2])
while true do
  local keys = redis.call('ZRANGEBYLEX', KEYS[1], from, '(' .. ARGV[1] .. '\\255', 'LIMIT', 0, 500)
  for _, key in ipairs(keys) do
    if #found >= 2 * most then return found end
    local value = redis.call('GET', ARGV[3] .. key)
    if value then
      table.insert(found, key)
      table.insert(found, value)
    else redis.call('ZREM', KEYS[1], key) end
  end
  if #keys < 500 then return found end
  from = '(' .. keys[#keys]
end`

/** `url` as redis-address.ts reads it. Connects by itself, and again after a loss; what is asked meanwhile fails at once. */
export function createRedisState(parts: {
  readonly url: string
  readonly clock: Clock
  readonly log: Pick<Log, 'server'>
  readonly tls?: RedisTls
}): StateStore {
  const { clock, log, tls } = parts
  const connection = connectRedis(parts.url, { log, name: 'state store', ...(tls ? { tls } : {}) })
  return {
    async get(key) {
      const name = prefix + checkedKey(key)
      const text = await connection.ask((redis) => redis.get(name))
      return text === null ? undefined : parsed(text)
    },
    async change(key, before, after, until) {
      const name = prefix + checkedKey(key)
      const was = before === undefined ? ['absent', ''] : ['present', textOf(before)]
      const lasts = until === undefined ? undefined : Math.ceil(until - clock())
      const isRemoved = after === undefined || (lasts !== undefined && lasts <= 0)
      const is = isRemoved ? ['remove', '', ''] : ['set', textOf(after), lasts === undefined ? '' : String(lasts)]
      return (await connection.ask((redis) => redis.eval(changing, 2, name, index, ...was, ...is, key))) === 1
    },
    async list(start, most) {
      const flat = (await connection.ask((redis) =>
        redis.eval(listing, 1, index, start, Math.max(0, most), prefix),
      )) as readonly string[]
      return Array.from({ length: flat.length / 2 }, (_, at) => [flat[2 * at] ?? '', parsed(flat[2 * at + 1] ?? '')] as const)
    },
    async close() {
      connection.close()
    },
  }
}
