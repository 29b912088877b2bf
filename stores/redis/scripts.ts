import { createHash } from 'node:crypto'

/** A Lua script, with the digest that Redis knows it by once it has seen it. */
export interface Script {
  readonly lua: string
  readonly sha1: string
}

/** How long a body lives on for those who read it, once it is replaced, deleted or expired. */
export const GRACE_MS = 60_000
/** How long the chunks of a body wait for the next one, or for their record. */
export const STAGING_MS = 600_000
/** Lists of selecting fields that are kept of a key, and so looked up at once. */
export const MAX_LISTS = 16
/** As many deletions are remembered; what began before those that are forgotten is refused. */
const MAX_DELETIONS = 50_000
const FORGOTTEN_AT_ONCE = 5_000
const LEDGER_MS = 30 * 86_400_000

/** A hash has a field for each variant, and these:
 *
 * - `index`: for each variant when it expires and was stored, its id, the name of its body's hash or '', its list of
 *   selecting fields and its tags.
 * - `lists`: how many variants there are and the lists, which is all that a lookup has to know.
 * - `fence`, in a cluster: changed by whatever deletes. */
const INDEX = `
local FOREVER = 9e15
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function isVariant(v)
  return type(v) == 'table' and type(v[1]) == 'number' and type(v[2]) == 'number' and type(v[3]) == 'string'
    and type(v[4]) == 'string' and type(v[5]) == 'string' and type(v[6]) == 'string'
end
local function readIndex(key)
  local packed = redis.call('HGET', key, 'index')
  if not packed then return {} end
  local ok, index = pcall(cmsgpack.unpack, packed)
  ok = ok and type(index) == 'table'
  if ok then
    for field, v in pairs(index) do ok = ok and type(field) == 'string' and isVariant(v) end
  end
  if ok then return index end
  redis.call('UNLINK', key)
  return {}
end
local function writeIndex(key, index)
  local count, last, lists, seen = 0, 0, {}, {}
  for _, v in pairs(index) do
    count = count + 1
    last = math.max(last, v[1])
    if not seen[v[5]] then lists[#lists + 1] = v[5] end
    seen[v[5]] = true
  end
  if count == 0 then
    redis.call('UNLINK', key)
    return
  end
  table.sort(lists)
  redis.call('HSET', key, 'index', cmsgpack.pack(index), 'lists', count .. '\\n' .. table.concat(lists, '\\n'))
  if last >= FOREVER then redis.call('PERSIST', key) else redis.call('PEXPIREAT', key, last) end
end
local function leave(key, body)
  if body ~= '' then redis.call('PEXPIRE', key .. ':' .. body, ${GRACE_MS}) end
end
local function removeVariant(key, index, field)
  leave(key, index[field][4])
  redis.call('HDEL', key, field)
  index[field] = nil
end
local function drop(key)
  for _, v in pairs(readIndex(key)) do leave(key, v[4]) end
  redis.call('UNLINK', key)
end
`

/** A sorted set: n is the position of the last deletion, f that of the last one forgotten, c that of the last clear(),
 * k and t with a digest those of keys and tags. */
const LEDGER = `
local function positionOf(ledger, member)
  return tonumber(redis.call('ZSCORE', ledger, member) or nil)
end
local function micros()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
local function isOvertaken(ledger, asOf, first)
  local last = positionOf(ledger, 'n')
  if not last or asOf > last then return true end
  if asOf == last then return false end
  if asOf < (positionOf(ledger, 'f') or last) or asOf < (positionOf(ledger, 'c') or 0) then return true end
  for i = first, #ARGV do
    if asOf < (positionOf(ledger, ARGV[i]) or 0) then return true end
  end
  return false
end
local function note(ledger, target)
  local last = positionOf(ledger, 'n')
  local position = math.max((last or 0) + 1, micros())
  local noted = redis.pcall('ZADD', ledger, position, target, position, 'n')
  if type(noted) == 'table' and noted.err then
    -- No room: without a ledger, everything that is under way is refused.
    redis.call('UNLINK', ledger)
    return
  end
  if not last then redis.call('ZADD', ledger, position - 1, 'f') end
  if redis.call('ZCARD', ledger) > ${MAX_DELETIONS} then
    local cut = redis.call('ZRANGE', ledger, ${FORGOTTEN_AT_ONCE}, ${FORGOTTEN_AT_ONCE}, 'WITHSCORES')
    redis.call('ZREMRANGEBYSCORE', ledger, '-inf', cut[2])
    redis.call('ZADD', ledger, cut[2], 'f')
  end
  redis.call('PEXPIRE', ledger, ${LEDGER_MS})
end
`

/** Scored by when the last response of a key expires, and changed with each write of the key. */
const TAGS = `
local function tagWith(tag, member, ttl)
  local at = now()
  redis.call('ZREMRANGEBYSCORE', tag, '-inf', '(' .. at)
  local isNew = redis.call('EXISTS', tag) == 0
  local score = ttl < 0 and FOREVER or at + ttl
  local held = tonumber(redis.call('ZSCORE', tag, member) or nil)
  if held and held >= score then score = held + 1 end
  redis.call('ZADD', tag, score, member)
  local left = redis.call('PTTL', tag)
  if score >= FOREVER then
    redis.call('PERSIST', tag)
  elseif isNew or (left >= 0 and at + left < score) then
    redis.call('PEXPIREAT', tag, score)
  end
end
`

/** field, record, id, id to be replaced or '', list, tags, body, chunks, time to live or -1, number of variants kept. */
const STORE = `
local function surplus(index, own, mayGo)
  local found
  for field, v in pairs(index) do
    if field ~= own and mayGo(v) and (not found or v[2] < index[found][2]) then found = field end
  end
  return found
end
local function countLists(index)
  local count, seen = 0, {}
  for _, v in pairs(index) do
    if not seen[v[5]] then count = count + 1 end
    seen[v[5]] = true
  end
  return count
end
local function store(key, field, record, id, replaced, list, tags, body, chunks, ttl, maxVariants)
  local index = readIndex(key)
  local held = index[field]
  if replaced ~= '' and (not held or held[3] ~= replaced or redis.call('HEXISTS', key, field) == 0) then return 0 end
  if body ~= '' then
    local name = key .. ':' .. body
    if redis.call('HLEN', name) ~= tonumber(chunks) then return 0 end
    if ttl < 0 then redis.call('PERSIST', name) else redis.call('PEXPIRE', name, ttl + ${GRACE_MS}) end
  end
  if held and held[4] ~= body then leave(key, held[4]) end
  local at, count = now(), 1
  for other, v in pairs(index) do
    if other ~= field and v[1] <= at then removeVariant(key, index, other)
    elseif other ~= field then count = count + 1 end
  end
  index[field] = { ttl < 0 and FOREVER or at + ttl, at, id, body, list, tags }
  while count > maxVariants do
    removeVariant(key, index, surplus(index, field, function() return true end))
    count = count - 1
  end
  while countLists(index) > ${MAX_LISTS} do
    removeVariant(key, index, surplus(index, field, function(v) return v[5] ~= list end))
  end
  redis.call('HSET', key, field, record)
  writeIndex(key, index)
  return 1
end
`

/** Where the order of deletions stands. KEYS: ledger. */
export const POSITION = script(`${LEDGER}
local last = positionOf(KEYS[1], 'n')
if not last then
  last = micros()
  redis.call('ZADD', KEYS[1], last, 'n', last, 'f')
end
if redis.call('PTTL', KEYS[1]) < ${LEDGER_MS / 2} then redis.call('PEXPIRE', KEYS[1], ${LEDGER_MS}) end
return string.format('%.0f', last)`)

/** All at once, where everything is on one server. KEYS: hash, ledger, tags. ARGV: as STORE has it, position or -1, digest
 * of the key, deletions that would reach it. */
export const STORE_WHOLE = script(`${INDEX}${LEDGER}${TAGS}${STORE}
local asOf, ttl = tonumber(ARGV[11]), tonumber(ARGV[9])
if asOf >= 0 and isOvertaken(KEYS[2], asOf, 13) then return 0 end
local stored = store(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ttl, tonumber(ARGV[10]))
if stored == 1 then
  for i = 3, #KEYS do tagWith(KEYS[i], ARGV[12], ttl) end
end
return stored`)

/** In a cluster, first: what the hash will be known by when the record comes. KEYS: hash. ARGV: a new fence. */
export const FENCE = script(`
local held = redis.call('HGET', KEYS[1], 'fence')
if held then return held end
local isNew = redis.call('EXISTS', KEYS[1]) == 0
redis.call('HSET', KEYS[1], 'fence', ARGV[1])
if isNew then redis.call('PEXPIRE', KEYS[1], ${GRACE_MS}) end
return ARGV[1]`)

/** And the tags. KEYS: tag. ARGV: digest of the key, time to live. */
export const TAG = script(`${INDEX}${TAGS}
tagWith(KEYS[1], ARGV[1], tonumber(ARGV[2]))`)

/** In a cluster, second. KEYS: ledger. ARGV: position, deletions that would reach it. */
export const CHECK = script(`${LEDGER}
return isOvertaken(KEYS[1], tonumber(ARGV[1]), 2) and 1 or 0`)

/** In a cluster, third. KEYS: hash. ARGV: as STORE has it, fence. */
export const STORE_FENCED = script(`${INDEX}${STORE}
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[11] then return 0 end
return store(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10]))`)

/** Notes a deletion. KEYS: ledger. ARGV: what is deleted. */
export const NOTE = script(`${LEDGER}
note(KEYS[1], ARGV[1])`)

/** Removes all variants. KEYS: hash. */
export const DROP = script(`${INDEX}
drop(KEYS[1])`)

/** Both, where they are on one server. KEYS: ledger, hash. */
export const NOTE_AND_DROP = script(`${INDEX}${LEDGER}
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
  local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if score and tonumber(score) == tonumber(ARGV[i + 1]) then redis.call('ZREM', KEYS[1], ARGV[i]) end
end`)

/** Removes a variant that is damaged, unless another has taken its place. KEYS: hash. ARGV: field, start of its record. */
export const FORGET = script(`${INDEX}
local record = redis.call('HGET', KEYS[1], ARGV[1])
if not record or string.sub(record, 1, #ARGV[2]) ~= ARGV[2] then return end
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

function script(lua: string): Script {
  return { lua, sha1: createHash('sha1').update(lua).digest('hex') }
}
