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

# Fills in what only the record tells, and begins the view if nobody has.
# KEYS: view, active, summary, then the catalogues that list it. ARGV: id, record, time of
# acceptance, place in the catalogues, then pairs of fields of the summary.
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

# Adds up what the videos of an owner are. KEYS: catalogue of the owner. ARGV: what the keys of
# summaries begin with, then the final statuses. Returns bytes, number of unfinished videos.
USAGE: Final = """
local final = {}
for i = 2, #ARGV do final[ARGV[i]] = true end
local bytes, unfinished = 0, 0
for _, place in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local video = redis.call('HMGET', ARGV[1] .. string.match(place, ':(.*)'), 'bytes', 'status')
  bytes = bytes + tonumber(video[1] or '0')
  if video[2] and not final[video[2]] then unfinished = unfinished + 1 end
end
return {bytes, unfinished}
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
