"""
The steps of the protocol that Redis runs, each atomic.

ACQUIRE, FILL, INTENT and PUBLISH compare the token first: a server that lost it (FLUSHALL, another
server behind the same address) has lost its leases and markers as well.

INTENT, PUBLISH and TOKEN write with DEL first: a server whose memory is full refuses a script whose
first write needs memory. ACQUIRE and FILL may be refused there.
"""

from hashlib import sha1
from typing import Final

from msgspec import Struct

LEASE_MS: Final = 2000
OLD_MARKER_MS: Final = 1000


class Script(Struct, frozen=True):
    """A Lua script, and the digest by which EVALSHA calls it."""

    text: str
    digest: str


def _script(text: str) -> Script:
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


# KEYS: token, value, lease, markers, the group's generation, the group's markers
# ARGV: token, head of the value ("<format>|<tag>|<key>|"), the lease's token, a new generation
# Replies {"LOST"}, {"BUSY", old markers of the key, old markers of the group} (the id and the time of
# each transaction in turn), {"HIT", value, generation}, {"LEASE", generation} or {"WAIT"}.
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

# KEYS: as ACQUIRE. ARGV: token, the lease's token, generation, value, TTL in milliseconds
# Replies 1 if the value was stored. The lease is deleted either way.
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

# KEYS: lease. ARGV: the lease's token. Replies 1 if the lease had this token and was deleted.
RELEASE: Final = _script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""")

# KEYS: token; value, lease and markers of each key; generation and markers of each group
# ARGV: token, the transaction's id, number of keys. Replies 1, or 0 if the token differs.
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

# KEYS: markers. ARGV: the id and the time of each transaction in turn. The time must match, because
# after a crash PostgreSQL reuses the ids of lost transactions, and the new ones set markers as well.
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
