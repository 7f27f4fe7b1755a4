// The feed in Redis or what speaks its language: entries in a hash, their order and their ends beside it, a channel for hints. Scripts
// make each step whole; all keys are of one hash slot, so that a cluster takes them too.
import { randomUUID } from 'node:crypto'
import type { Feed, FeedPage, FeedPosition, News } from '../feed.ts'
import type { RedisConnection } from './redis-connection.ts'

/** Milliseconds: clocks differ, and what is taken out too early would open again. */
const afterEnd = 3_600_000
const pageSize = 500

/**
 * ARGV: now, a new epoch, most entries, channel, then name, at, until, text of each. A server that has lost everything gets another
 * epoch with the first that is told. The keys end by themselves after their last entry.
 */
const telling = `
local entries, order, ends, head = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now, most = tonumber(ARGV[1]), tonumber(ARGV[3])
local function drop(name)
  redis.call('HDEL', entries, name)
  redis.call('ZREM', order, name)
  redis.call('ZREM', ends, name)
end
redis.call('HSETNX', head, 'epoch', ARGV[2])
for _, name in ipairs(redis.call('ZRANGEBYSCORE', ends, '-inf', now - ${afterEnd}, 'LIMIT', 0, 1000)) do drop(name) end
for i = 5, #ARGV, 4 do
  local name, at, till = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local before = redis.call('HGET', entries, name)
  if before then
    -- what somebody else has put there keeps nobody from telling
    local a, u = string.match(before, '^(%d+) (%d+) ')
    if a and tonumber(a) > tonumber(at) then at = a end
    if u and tonumber(u) > tonumber(till) then till = u end
  end
  redis.call('HSET', entries, name, at .. ' ' .. till .. ' ' .. ARGV[i + 3])
  redis.call('ZADD', order, redis.call('HINCRBY', head, 'sequence', 1), name)
  redis.call('ZADD', ends, till, name)
end
local over = redis.call('ZCARD', order) - most
if over > 0 then
  for _, name in ipairs(redis.call('ZRANGE', order, 0, over - 1)) do drop(name) end
end
local last = redis.call('ZREVRANGE', ends, 0, 0, 'WITHSCORES')
if last[2] then
  local left = math.max(1, math.ceil(tonumber(last[2]) - now)) + ${afterEnd}
  for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, string.format('%.0f', left)) end
end
redis.pcall('PUBLISH', ARGV[4], '')
return 1`

/** ARGV: epoch, sequence, page size. A sequence beyond the last one: the server has come back with less than it had. */
const reading = `
local epoch = redis.call('HGET', KEYS[4], 'epoch') or ''
local last = tonumber(redis.call('HGET', KEYS[4], 'sequence') or '0')
local from, anew = tonumber(ARGV[2]), 0
if ARGV[1] ~= epoch or from > last then from, anew = 0, 1 end
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. string.format('%.0f', from), '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[3])
local more = #found / 2 >= tonumber(ARGV[3]) and 1 or 0
local page = { epoch, string.format('%.0f', last), anew, more }
for i = 1, #found, 2 do
  table.insert(page, found[i])
  table.insert(page, redis.call('HGET', KEYS[1], found[i]) or '')
  if more == 1 then page[2] = found[i + 1] end
end
return page`

const keys = ['entries', 'order', 'ends', 'head'].map((name) => `{postern}:revoked:${name}`)
const channel = 'postern:revoked'

/**
 * @param connection not closed here
 * @param most entries kept; beyond it the oldest go
 */
export function createRedisFeed(connection: RedisConnection, most = 100_000): Feed & { close(): void } {
  const listeners = new Set<() => void>()
  let connections = 0
  const stop = connection.subscribe(channel, (message) => {
    // another server, or the same after a restart, may have less than the one before
    if (message === undefined) connections++
    for (const listener of listeners) listener()
  })
  return {
    async tell(news, now) {
      const flat = news.flatMap(({ name, at, until, text }) => [name, whole(at), whole(until), text])
      await connection.ask((redis) => redis.eval(telling, 4, ...keys, whole(now), randomUUID(), most, channel, ...flat))
    },
    async read(after) {
      const asked = connections
      // no epoch is called so
      const [epoch, sequence] = after?.connection === asked ? [after.epoch, after.sequence] : ['?', 0]
      const flat = await connection.ask((redis) => redis.eval(reading, 4, ...keys, epoch, sequence, pageSize))
      return pageOf(flat as readonly (string | number)[], asked)
    },
    onHint(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close() {
      listeners.clear()
      stop()
    },
  }
}

const whole = (instant: number): string => Math.max(0, Math.ceil(instant)).toFixed(0)

function pageOf(flat: readonly (string | number)[], connection: number): FeedPage {
  const [epoch = '', sequence = 0, anew = 0, more = 0, ...rest] = flat
  const position: FeedPosition = { epoch: String(epoch), sequence: Number(sequence), connection }
  const news: News[] = []
  for (let at = 0; at + 1 < rest.length; at += 2) {
    const [, from, until, text] = /^(\d+) (\d+) (.*)$/s.exec(String(rest[at + 1])) ?? []
    if (text !== undefined) news.push({ name: String(rest[at]), at: Number(from), until: Number(until), text })
  }
  return { news, position, more: more === 1, anew: anew === 1 }
}
