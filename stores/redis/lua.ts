// What the scripts are made of.

/** How long a body lives on for those who read it, once it is replaced, deleted or expired. */
export const GRACE_MS = 60_000
/** How long the chunks of a body wait for the next one, or for their record. */
export const STAGING_MS = 600_000
/** Lists of selecting fields that are kept of a key. More than MAX_VARY_LISTS: one command looks up all of them, and what
 * is stored with so many has to stay readable. */
export const MAX_LISTS = 16
/** As many deletions are remembered; what began before those that are forgotten is refused. */
const MAX_DELETIONS = 50_000
const FORGOTTEN_AT_ONCE = 5_000
/** Expired keys that leave a tag with each write of another, so that no write takes long. */
const PRUNED_AT_ONCE = 100
export const DELETION_LOG_MS = 30 * 86_400_000
export const INCOMPLETE = '*'

/** A hash has a field for each variant, and these:
 *
 * - `index`: for each variant when it expires and was stored, its id, the name of its body's hash or '', its list of
 *   selecting fields and its tags.
 * - `lists`: how many variants there are and the lists, which is all that a lookup has to know.
 * - `fence`, in a cluster: changed by whatever deletes. */
export const INDEX = `
local FOREVER = 9e15
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function isVariant(v)
  return type(v) == 'table' and type(v[1]) == 'number' and type(v[2]) == 'number' and type(v[3]) == 'string'
    and type(v[4]) == 'string' and type(v[5]) == 'string' and type(v[6]) == 'string'
end
-- What is no hash was put there by somebody else.
local function readIndex(key)
  local packed = redis.pcall('HGET', key, 'index')
  if type(packed) == 'table' then redis.call('UNLINK', key) end
  if type(packed) ~= 'string' then return {} end
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
export const DELETION_LOG = `
-- What is no sorted set was put there by somebody else: without a ledger, everything that is under way is refused.
local function positionOf(ledger, member)
  local score = redis.pcall('ZSCORE', ledger, member)
  if type(score) == 'table' then redis.call('UNLINK', ledger) end
  return type(score) == 'string' and tonumber(score) or nil
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
  redis.call('PEXPIRE', ledger, ${DELETION_LOG_MS})
end
`

/** Scored by when the last response of a key expires, and changed with each write of the key. With the member `*` it does not
 * have all keys: it has taken the place of what somebody else had put there. */
export const TAGS = `
local function tagWith(tag, member, ttl)
  local at = now()
  local expired = redis.pcall('ZRANGEBYSCORE', tag, '-inf', '(' .. at, 'LIMIT', 0, ${PRUNED_AT_ONCE})
  if expired.err then
    redis.call('UNLINK', tag)
    redis.call('ZADD', tag, FOREVER, '${INCOMPLETE}')
    expired = {}
  end
  if #expired > 0 then redis.call('ZREM', tag, unpack(expired)) end
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

/** field, record, id, id to be replaced or '', list, tags, body, chunks, time to live or -1, number of variants kept, field
 * that it moves from or ''. */
export const STORE = `
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
local function store(key, field, record, id, replaced, list, tags, body, chunks, ttl, maxVariants, from)
  local index = readIndex(key)
  local held = index[field]
  local source = from == '' and field or from
  local meant = index[source]
  if replaced ~= '' and (not meant or meant[3] ~= replaced or redis.call('HEXISTS', key, source) == 0) then return 0 end
  if body ~= '' then
    local name = key .. ':' .. body
    if redis.pcall('HLEN', name) ~= tonumber(chunks) then return 0 end
    if ttl < 0 or ttl >= FOREVER then redis.call('PERSIST', name) else redis.call('PEXPIRE', name, ttl + ${GRACE_MS}) end
  end
  if held and held[4] ~= body then leave(key, held[4]) end
  if from ~= '' then
    redis.call('HDEL', key, from)
    index[from] = nil
  end
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
