import { createHash } from 'node:crypto'
import { DELETION_LOG, DELETION_LOG_MS, GRACE_MS, INDEX, STAGING_MS, STORE, TAGS } from './lua.ts'

/** A Lua script, with the digest that Redis knows it by once it has seen it. */
export interface Script {
  readonly lua: string
  readonly sha1: string
}

/** Where the order of deletions stands. KEYS: deletion log. */
export const POSITION = script(`${DELETION_LOG}
local last = positionOf(KEYS[1], 'n')
if not last then
  last = micros()
  redis.call('ZADD', KEYS[1], last, 'n', last, 'f')
end
if redis.call('PTTL', KEYS[1]) < ${DELETION_LOG_MS / 2} then redis.call('PEXPIRE', KEYS[1], ${DELETION_LOG_MS}) end
return string.format('%.0f', last)`)

/** All at once, where everything is on one server. KEYS: hash, deletion log, tags. ARGV: as STORE has it, position or -1, digest
 * of the key, deletions that would reach it. */
export const STORE_WHOLE = script(`${INDEX}${DELETION_LOG}${TAGS}${STORE}
local asOf, ttl = tonumber(ARGV[12]), tonumber(ARGV[9])
if asOf >= 0 and isOvertaken(KEYS[2], asOf, 14) then return 0 end
local stored = store(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ttl, tonumber(ARGV[10]), ARGV[11])
if stored == 1 then
  for i = 3, #KEYS do tagWith(KEYS[i], ARGV[13], ttl) end
end
return stored`)

/** In a cluster, first: what the hash will be known by when the record comes. KEYS: hash. ARGV: a new fence. */
export const FENCE = script(`
local held = redis.pcall('HGET', KEYS[1], 'fence')
if type(held) == 'table' then redis.call('UNLINK', KEYS[1]) end
if type(held) == 'string' then return held end
local isNew = redis.call('EXISTS', KEYS[1]) == 0
redis.call('HSET', KEYS[1], 'fence', ARGV[1])
if isNew then redis.call('PEXPIRE', KEYS[1], ${GRACE_MS}) end
return ARGV[1]`)

/** And the tags. KEYS: tag. ARGV: digest of the key, time to live. */
export const TAG = script(`${INDEX}${TAGS}
tagWith(KEYS[1], ARGV[1], tonumber(ARGV[2]))`)

/** In a cluster, second. KEYS: deletion log. ARGV: position, deletions that would reach it. */
export const CHECK = script(`${DELETION_LOG}
return isOvertaken(KEYS[1], tonumber(ARGV[1]), 2) and 1 or 0`)

/** In a cluster, third. KEYS: hash. ARGV: as STORE has it, fence. */
export const STORE_FENCED = script(`${INDEX}${STORE}
if redis.pcall('HGET', KEYS[1], 'fence') ~= ARGV[12] then return 0 end
return store(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10]), ARGV[11])`)

/** Removes one variant, if it is still that response; a fence stays, for what is being stored. KEYS: hash. ARGV: field, id. */
export const REMOVE = script(`${INDEX}
local index = readIndex(KEYS[1])
local held = index[ARGV[1]]
if not held or held[3] ~= ARGV[2] then return end
local fence = redis.call('HGET', KEYS[1], 'fence')
removeVariant(KEYS[1], index, ARGV[1])
writeIndex(KEYS[1], index)
if fence and redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'fence', fence)
  redis.call('PEXPIRE', KEYS[1], ${GRACE_MS})
end`)

/** Logs a deletion. KEYS: deletion log. ARGV: what is deleted. */
export const LOG_DELETION = script(`${DELETION_LOG}
note(KEYS[1], ARGV[1])`)

/** Removes all variants. KEYS: hash. */
export const DROP = script(`${INDEX}
drop(KEYS[1])`)

/** Both, where they are on one server. KEYS: deletion log, hash. */
export const LOG_AND_DROP = script(`${INDEX}${DELETION_LOG}
note(KEYS[1], ARGV[1])
drop(KEYS[2])`)

/** Removes what carries a tag. KEYS: hash. ARGV: digest of the tag. */
export const DROP_TAGGED = script(`${INDEX}
local index = readIndex(KEYS[1])
local found = false
for field, v in pairs(index) do
  if string.find(v[6], ARGV[1], 1, true) then
    removeVariant(KEYS[1], index, field)
    found = true
  end
end
redis.call('HDEL', KEYS[1], 'fence')
if found then writeIndex(KEYS[1], index) end`)

/** Takes keys out of a tag, unless they have been written since. KEYS: tag. ARGV: pairs of digest and score. */
export const UNTAG = script(`
for i = 1, #ARGV, 2 do
  local score = redis.pcall('ZSCORE', KEYS[1], ARGV[i])
  if type(score) == 'string' and tonumber(score) == tonumber(ARGV[i + 1]) then redis.call('ZREM', KEYS[1], ARGV[i]) end
end`)

/** Removes a damaged variant, unless another has taken its place. KEYS: hash. ARGV: field, start of its record. */
export const REMOVE_DAMAGED = script(`${INDEX}
local record = redis.pcall('HGET', KEYS[1], ARGV[1])
if type(record) ~= 'string' or string.sub(record, 1, #ARGV[2]) ~= ARGV[2] then return end
local index = readIndex(KEYS[1])
if index[ARGV[1]] then removeVariant(KEYS[1], index, ARGV[1]) else redis.call('HDEL', KEYS[1], ARGV[1]) end
writeIndex(KEYS[1], index)`)

/** Takes a chunk. KEYS: body. ARGV: number, chunk. */
export const CHUNK = script(`
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ${STAGING_MS})`)

/** Keeps a body that is being read. KEYS: body. */
export const KEEP = script(`
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left < ${GRACE_MS} then redis.call('PEXPIRE', KEYS[1], ${GRACE_MS}) end`)

/** Gives a lease to one; to the same one again as well, since a command may be sent twice. KEYS: lease. ARGV: token, time to
 * live. */
export const LEASE = script(`
local mark = redis.pcall('HGET', KEYS[1], 'mark')
if type(mark) == 'table' then redis.call('UNLINK', KEYS[1]) end
if type(mark) == 'string' then return mark end
local holder = redis.call('HGET', KEYS[1], 'holder')
if holder and holder ~= ARGV[1] then return 'held' end
redis.call('HSET', KEYS[1], 'holder', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'granted'`)

/** Has the holder hold it for so long from now on. KEYS: lease. ARGV: token, time to live. */
export const RENEW = script(`
if redis.pcall('HGET', KEYS[1], 'holder') ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])`)

/** Has the holder let go of it, and leave a mark or ''. KEYS: lease. ARGV: token, mark, its time to live. */
export const RELEASE = script(`
if redis.pcall('HGET', KEYS[1], 'holder') ~= ARGV[1] then return end
redis.call('UNLINK', KEYS[1])
if ARGV[2] == '' then return end
redis.call('HSET', KEYS[1], 'mark', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])`)

function script(lua: string): Script {
  return { lua, sha1: createHash('sha1').update(lua).digest('hex') }
}
