// The steps in Redis that must not be taken apart. Each touches one key, so that a Cluster takes them. A Cluster's client sends a
// command again after a loss: a script that finds its own work done says yes. Times are the caller's; Redis only counts down.

/** KEYS: session. ARGV: sealed, revision, touched, until, milliseconds it is kept. */
export const writing = `
redis.call('HSET', KEYS[1], 'sealed', ARGV[1], 'revision', ARGV[2], 'touched', ARGV[3], 'until', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1`

/** KEYS: session. ARGV: touched, until, milliseconds it is kept. The later of two stays; what is gone or over stays so. */
export const touching = `
local is = redis.call('HMGET', KEYS[1], 'touched', 'over')
if not is[1] or is[2] then return 0 end
if tonumber(ARGV[1]) > tonumber(is[1]) then
  redis.call('HSET', KEYS[1], 'touched', ARGV[1], 'until', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1`

/** KEYS: session. ARGV: sealed, revision, touched, until, the latest end, now, milliseconds it is kept after its end. */
export const replacing = `
local is = redis.call('HMGET', KEYS[1], 'revision', 'touched', 'until', 'over', 'sealed')
if not is[1] or is[4] then return 0 end
if is[5] == ARGV[1] then return 1 end
if tonumber(is[1]) ~= tonumber(ARGV[2]) - 1 then return 0 end
local touched, till = ARGV[3], ARGV[4]
if tonumber(is[2]) > tonumber(touched) then touched = is[2] end
if tonumber(is[3]) > tonumber(till) then till = is[3] end
if tonumber(till) > tonumber(ARGV[5]) then till = ARGV[5] end
redis.call('HSET', KEYS[1], 'sealed', ARGV[1], 'revision', ARGV[2], 'touched', touched, 'until', till)
redis.call('PEXPIRE', KEYS[1], math.max(1, tonumber(till) - tonumber(ARGV[6]) + tonumber(ARGV[7])))
return 1`

/**
 * KEYS: session. ARGV: now, a random name for whoever asks, milliseconds it is kept from now on.
 * Gives what it is (`gone`, `taken`, `later` with its end, `yours` with the record). What is no session of ours is gone: one of them
 * must not keep all others from being found.
 */
export const claiming = `
local is = redis.pcall('HMGET', KEYS[1], 'until', 'over', 'sealed', 'revision', 'touched')
if is.err or not tonumber(is[1] or '') then return {'gone'} end
if is[2] and is[2] ~= ARGV[2] then return {'taken'} end
if not is[2] then
  if tonumber(is[1]) > tonumber(ARGV[1]) then return {'later', is[1]} end
  redis.call('HSET', KEYS[1], 'over', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return {'yours', is[3], is[4], is[5]}`

/**
 * KEYS: a person's sessions. ARGV: now, limit, how members that count begin, the new member, until when it counts before there is a
 * session, milliseconds the key is kept. Gives 1, or the members that are in the way.
 */
export const reserving = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZSCORE', KEYS[1], ARGV[4]) then return 1 end
local counting, settled = 0, {}
local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for at = 1, #all, 2 do
  if string.sub(all[at], 1, #ARGV[3]) == ARGV[3] then
    counting = counting + 1
    if tonumber(all[at + 1]) > tonumber(ARGV[5]) then table.insert(settled, all[at]) end
  end
end
if counting >= tonumber(ARGV[2]) then return settled end
redis.call('ZADD', KEYS[1], ARGV[5], ARGV[4])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[6]) then redis.call('PEXPIRE', KEYS[1], ARGV[6]) end
return 1`

/**
 * KEYS: an index. ARGV: score, member, milliseconds the key is kept at least, what has a lower score goes, most members. A score never
 * gets less.
 */
export const indexing = `
redis.call('ZADD', KEYS[1], 'GT', ARGV[1], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[4])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[5]))
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 1`
