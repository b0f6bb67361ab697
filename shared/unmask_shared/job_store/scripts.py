"""Changes of live views that must be atomic, as Lua scripts.

Times are those of the server, since workers on other hosts have clocks of their own. A view is a
hash; `rank` is the place of its status in `Status`, 3 stands for every final one, and 4 for a video
that was erased, of which nothing is ever noted again.
"""

from typing import Final

_NOW = """
local function now()
  local time = redis.call('TIME')
  return time[1] .. '.' .. string.format('%06d', time[2])
end
"""

# Fills in what only the record tells, and begins the view if nobody has. From then on the video
# counts itself, so what was reserved for it is free.
# KEYS: view, active, summary, the catalogue, then that of its owner, if any. ARGV: id, record, time
# of acceptance, place in the catalogues, then pairs of fields of the summary.
ACCEPT: Final = f"""{_NOW}
if redis.call('HGET', KEYS[1], 'rank') == '4' then return end
redis.call('HSET', KEYS[1], 'record', ARGV[2], 'at:accepted', ARGV[3])
if not redis.call('HGET', KEYS[1], 'rank') then
  redis.call('HSET', KEYS[1], 'rank', '0', 'status', 'queued', 'progress', '0')
  redis.call('ZADD', KEYS[2], now(), ARGV[1])
end
redis.call('HSET', KEYS[3], 'place', ARGV[4])
for i = 5, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
if redis.call('HEXISTS', KEYS[3], 'status') == 0 then
  local at = redis.call('HMGET', KEYS[1], 'status', 'progress')
  redis.call('HSET', KEYS[3], 'status', at[1], 'progress', at[2])
end
for i = 4, #KEYS do redis.call('ZADD', KEYS[i], 0, ARGV[4]) end
if KEYS[5] then redis.call('HDEL', KEYS[5] .. ':reserved', ARGV[1]) end
"""

# Moves a view forward: neither its status nor its progress ever goes back, and a final view never
# changes. KEYS: view, active, summary. ARGV: id, rank, status, progress, ttl of a final view or 0,
# name of a mark or '', how many arguments with fields of the view follow, then pairs of these, then
# pairs of fields of the summary.
ADVANCE: Final = f"""{_NOW}
local rank = tonumber(redis.call('HGET', KEYS[1], 'rank') or '-1')
if rank >= 3 or tonumber(ARGV[2]) < rank then return 0 end
local before = redis.call('HGET', KEYS[1], 'progress')
if not before or tonumber(before) < tonumber(ARGV[4]) then
  redis.call('HSET', KEYS[1], 'progress', ARGV[4])
end
redis.call('HSET', KEYS[1], 'rank', ARGV[2], 'status', ARGV[3])
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'at:' .. ARGV[6], now()) end
local summary = 8 + tonumber(ARGV[7])
for i = 8, #ARGV, 2 do
  redis.call('HSET', i < summary and KEYS[1] or KEYS[3], ARGV[i], ARGV[i + 1])
end
local progress = redis.call('HGET', KEYS[1], 'progress')
redis.call('HSET', KEYS[3], 'status', ARGV[3], 'progress', progress)
if ARGV[5] == '0' then
  redis.call('ZADD', KEYS[2], now(), ARGV[1])
else
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('EXPIRE', KEYS[1], ARGV[5])
end
return 1
"""

# Adds up what the videos of an owner are, with those that are on their way, and reserves room for
# one more if there is enough; what was reserved for the same video before does not count.
# KEYS: catalogue of the owner, reservations (id -> `BYTES:END`). ARGV: what the keys of summaries
# begin with, id, bytes, seconds that a reservation lasts, most bytes, most unfinished videos (0 for
# any number), then the final statuses. Returns 0 if there is room, 1 for want of bytes, 2 for too
# many unfinished videos; bytes and number of unfinished videos of before.
RESERVE: Final = f"""{_NOW}
local final = {{}}
for i = 7, #ARGV do final[ARGV[i]] = true end
local bytes, unfinished = 0, 0
for _, place in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local video = redis.call('HMGET', ARGV[1] .. string.match(place, ':(.*)'), 'bytes', 'status')
  bytes = bytes + tonumber(video[1] or '0')
  if video[2] and not final[video[2]] then unfinished = unfinished + 1 end
end
local time = tonumber(now())
local reserved = redis.call('HGETALL', KEYS[2])
for i = 1, #reserved, 2 do
  local size, ends = string.match(reserved[i + 1], '(.*):(.*)')
  if tonumber(ends) < time then
    redis.call('HDEL', KEYS[2], reserved[i])
  elseif reserved[i] ~= ARGV[2] then
    bytes, unfinished = bytes + tonumber(size), unfinished + 1
  end
end
if ARGV[5] ~= '0' and bytes + tonumber(ARGV[3]) > tonumber(ARGV[5]) then
  return {{1, bytes, unfinished}}
end
if ARGV[6] ~= '0' and unfinished >= tonumber(ARGV[6]) then return {{2, bytes, unfinished}} end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3] .. ':' .. (time + tonumber(ARGV[4])))
redis.call('EXPIRE', KEYS[2], ARGV[4])
return {{0, bytes, unfinished}}
"""

# Drops a video; notes that it was erased for as long as a worker may still be at it, or nothing.
# KEYS: view, active, summary, catalogue. ARGV: id, ttl of the note or 0.
ERASE: Final = """
local listed = redis.call('HMGET', KEYS[3], 'place', 'owner')
if listed[1] then
  redis.call('ZREM', KEYS[4], listed[1])
  if listed[2] then redis.call('ZREM', KEYS[4] .. ':' .. listed[2], listed[1]) end
end
redis.call('DEL', KEYS[1], KEYS[3])
redis.call('ZREM', KEYS[2], ARGV[1])
if ARGV[2] ~= '0' then
  redis.call('HSET', KEYS[1], 'rank', '4')
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
"""

# Notes something on a view that is open. KEYS: view. ARGV: field, value.
NOTE: Final = """
local rank = redis.call('HGET', KEYS[1], 'rank')
if rank and tonumber(rank) < 3 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
"""

# Notes whether a message is under way; nothing to note on a view that is closed or unknown.
# KEYS: view, active, a lease that must not exist (if any). ARGV: id, 0 or 1.
SET_WAITING: Final = f"""{_NOW}
if KEYS[3] and redis.call('EXISTS', KEYS[3]) == 1 then return end
if redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  redis.call('HSET', KEYS[1], 'waiting', ARGV[2])
  redis.call('ZADD', KEYS[2], now(), ARGV[1])
end
"""

# Takes a lease that is free, or keeps one's own. KEYS: lease. ARGV: owner, ttl in ms.
ACQUIRE: Final = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# Ends a lease for its holder only. KEYS: lease. ARGV: owner.
RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""
