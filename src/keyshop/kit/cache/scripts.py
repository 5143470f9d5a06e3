"""
The steps of the protocol that Redis runs, each atomic.

Every script first compares the token: a server that lost it (FLUSHALL, another server behind the
same address) knows nothing of the leases and markers that were set before.

INTENT, PUBLISH and TOKEN begin their writing with DEL: a server whose memory is full refuses a
script that begins with a command that needs memory. ACQUIRE and FILL are refused there on purpose.
"""

from hashlib import sha1
from typing import Final

from msgspec import Struct

LEASE_MS: Final = 2000
OLD_MARKER_MS: Final = 1000


class Script(Struct, frozen=True):
    """A script and the digest under which a server that has loaded it runs it."""

    text: str
    digest: str


def _script(text: str) -> Script:
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


# KEYS: token, value, lease, markers, group's generation, group's markers
# ARGV: token, tag and key ("<tag>|<key>|"), lease's token, generation to begin with
# Answers {"LOST"}, {"BUSY", the old markers of the key, those of its group} (of each transaction's id
# and time in turn), {"HIT", value, generation}, {"LEASE", generation} or {"WAIT"}.
ACQUIRE: Final = _script(f"""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {{'LOST'}} end
local function old(markers)
    local found, fields = {{}}, redis.call('HGETALL', markers)
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    for i = 1, #fields, 2 do
        if now - (tonumber(fields[i + 1]) or 0) > {OLD_MARKER_MS} then
            found[#found + 1] = fields[i]
            found[#found + 1] = fields[i + 1]
        end
    end
    return found
end
if redis.call('EXISTS', KEYS[4], KEYS[6]) > 0 then
    return {{'BUSY', old(KEYS[4]), old(KEYS[6])}}
end
local generation = redis.call('GET', KEYS[5])
if generation then
    local value = redis.call('GET', KEYS[2])
    local head = ARGV[2] .. generation .. '|'
    if value and string.sub(value, 1, #head) == head then return {{'HIT', value, generation}} end
end
if not redis.call('SET', KEYS[3], ARGV[3], 'NX', 'PX', {LEASE_MS}) then return {{'WAIT'}} end
if not generation then
    generation = ARGV[4]
    redis.call('SET', KEYS[5], generation)
end
return {{'LEASE', generation}}
""")

# KEYS: as ACQUIRE. ARGV: token, lease's token, generation, value, milliseconds to live
# Answers 1 when the value was kept; the lease is used up either way.
FILL: Final = _script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('GET', KEYS[3]) ~= ARGV[2] then return 0 end
local kept = 0
if redis.call('EXISTS', KEYS[4], KEYS[6]) == 0 and redis.call('GET', KEYS[5]) == ARGV[3] then
    redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5])
    kept = 1
end
redis.call('DEL', KEYS[3])
return kept
""")

# KEYS: lease. ARGV: lease's token. Answers 1 when it was this one.
RELEASE: Final = _script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""")

# KEYS: token, then of each key value, lease and markers, then of each group generation and markers
# ARGV: token, transaction's id, number of keys. Answers 1, or 0 where the token differs.
INTENT: Final = _script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local place = 2
for _ = 1, tonumber(ARGV[3]) do
    redis.call('DEL', KEYS[place], KEYS[place + 1])
    redis.call('HSET', KEYS[place + 2], ARGV[2], now)
    place = place + 3
end
while place < #KEYS do
    redis.call('DEL', KEYS[place])
    redis.call('HSET', KEYS[place + 1], ARGV[2], now)
    place = place + 2
end
return 1
""")

# KEYS and ARGV as INTENT.
PUBLISH: Final = _script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local place = 2
for _ = 1, tonumber(ARGV[3]) do
    redis.call('DEL', KEYS[place], KEYS[place + 1])
    redis.call('HDEL', KEYS[place + 2], ARGV[2])
    place = place + 3
end
while place < #KEYS do
    redis.call('DEL', KEYS[place])
    redis.call('HDEL', KEYS[place + 1], ARGV[2])
    place = place + 2
end
return 1
""")

# KEYS: token. ARGV: the new token.
TOKEN: Final = _script("""
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1])
return 1
""")

# KEYS: markers. ARGV: of each marker transaction's id and time in turn. The time, because PostgreSQL
# gives ids of transactions that a crash lost to others, who may have set markers of their own.
CLEAN: Final = _script("""
local removed = 0
for i = 1, #ARGV, 2 do
    if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
        removed = removed + redis.call('HDEL', KEYS[1], ARGV[i])
    end
end
return removed
""")

SCRIPTS: Final = (ACQUIRE, FILL, RELEASE, INTENT, PUBLISH, TOKEN, CLEAN)
