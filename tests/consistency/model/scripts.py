"""The effects of the scripts in Redis; each is atomic."""

from tests.consistency.model.moment import Moment
from tests.consistency.model.states import FRESH, Redis, Stored, Target


def intent(moment: Moment, redis: Redis, target: Target, writer: int) -> Redis:
    """INTENT: delete what is stored, leave the writer's marker."""
    if target == "key":
        markers = redis.key_markers | {writer}
        return redis._replace(stored=None, lease=0, key_markers=markers)
    markers = redis.group_markers | {writer}
    return redis._replace(generation=_next_generation(moment, redis), group_markers=markers)


def publish(moment: Moment, redis: Redis, target: Target, writer: int) -> Redis:
    """PUBLISH: delete what is stored, remove the writer's marker."""
    if target == "key":
        markers = redis.key_markers - {writer}
        return redis._replace(stored=None, lease=0, key_markers=markers)
    markers = redis.group_markers - {writer}
    return redis._replace(generation=_next_generation(moment, redis), group_markers=markers)


def acquire(moment: Moment, redis: Redis) -> Redis | None:
    """ACQUIRE without a value: take the lease; None when it answers BUSY or WAIT."""
    rules = moment.rules
    if redis.lease and rules.fill_needs_lease:
        return None
    if redis.key_markers and rules.acquire_sees_key_markers:
        return None
    if redis.group_markers and rules.acquire_sees_group_markers:
        return None
    fresh = FRESH if rules.generation_is_random else 1
    return redis._replace(lease=FRESH, generation=redis.generation or fresh)


def fill(moment: Moment, redis: Redis, *, lease: int, token: int, stored: Stored) -> Redis | None:
    """FILL: store the value and drop the lease; None where it is refused."""
    rules = moment.rules
    if rules.fill_needs_lease and redis.lease != lease:
        return None
    if rules.fill_sees_markers and (redis.key_markers or redis.group_markers):
        return None
    if not rules.fill_keeps_generation:
        stored = stored._replace(generation=redis.generation)
    elif rules.fill_compares_generation and redis.generation != stored.generation:
        return None
    if not moment.accepts(redis, token, "FILL"):
        return None
    return redis._replace(stored=stored, lease=0)


def _next_generation(moment: Moment, redis: Redis) -> int:
    return 0 if moment.rules.generation_is_random else redis.generation + 1
