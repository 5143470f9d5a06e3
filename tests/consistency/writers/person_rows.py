"""A customer's data in the shop's tables, with one statement for each change."""

from collections.abc import Awaitable, Mapping
from random import Random
from typing import Any, Final, Protocol

from asyncpg import Record

from tests.consistency.contents import (
    count_of_lines,
    count_of_wishes,
    lines_of,
    read_nickname,
    read_token_family,
    token_family_of,
    user_of,
    wishes_of,
)
from tests.consistency.keys import Family, Key

_LOCK_USER: Final = "SELECT id FROM users WHERE id = $1 FOR UPDATE"
_PROFILE: Final = "SELECT nickname, balance FROM users WHERE id = $1 FOR UPDATE"
_TOKEN_FAMILIES: Final = "SELECT id FROM keyshop.token_families WHERE user_id = $1 FOR UPDATE"
_LINES: Final = {
    Family.CART: """
        SELECT "gameId", quantity FROM cart_items WHERE "userId" = $1 FOR UPDATE
    """,
    Family.WISHLIST: """
        SELECT "gameId", 1 AS quantity FROM wishlist WHERE "userId" = $1 FOR UPDATE
    """,
}
_PUT_LINE: Final = {
    Family.CART: """
        INSERT INTO cart_items ("userId", "gameId", quantity, "addedAt")
        VALUES ($1, $2, $3, now() AT TIME ZONE 'UTC')
        ON CONFLICT ("userId", "gameId") DO UPDATE SET quantity = EXCLUDED.quantity
    """,
    Family.WISHLIST: """
        INSERT INTO wishlist ("userId", "gameId", "addedAt")
        SELECT $1, $2, now() AT TIME ZONE 'UTC' WHERE $3::integer > 0
        ON CONFLICT DO NOTHING
    """,
}
_TAKE_LINE: Final = {
    Family.CART: 'DELETE FROM cart_items WHERE "userId" = $1 AND "gameId" = $2',
    Family.WISHLIST: 'DELETE FROM wishlist WHERE "userId" = $1 AND "gameId" = $2',
}
# Both set the new version instead of adding to it, so that running one twice changes nothing.
_PUT_PROFILE: Final = (
    """
    UPDATE users SET nickname = split_part(nickname, '.', 1) || '.'
        || ($2::bigint - (balance * 100)::bigint)
    WHERE id = $1
    """,
    """
    UPDATE users SET balance = ($2::bigint - split_part(nickname, '.', 2)::bigint) / 100.0
    WHERE id = $1
    """,
)
_BEGIN: Final = """
    INSERT INTO keyshop.token_families (id, user_id, account_state, created_at, expires_at)
    SELECT $2, id, keyshop.account_state(role, "passwordHash"),
        now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC' + interval '30 days'
"""
BEGIN_TOKEN_FAMILY: Final = f"{_BEGIN} FROM users WHERE id = $1 ON CONFLICT DO NOTHING"
_PUT_ACCESS: Final = (
    # Signed out everywhere, and in again.
    f"""
    WITH ended AS (
        UPDATE keyshop.token_families SET revoked_at = now() AT TIME ZONE 'UTC'
        WHERE user_id = $1 AND id <> $2 AND revoked_at IS NULL
    )
    {_BEGIN} FROM users WHERE id = $1 AND $3 > 0 ON CONFLICT DO NOTHING
    """,
    # Another password and role, which end what was begun before.
    f"""
    WITH changed AS (
        UPDATE users SET "passwordHash" = 'chk-' || $3::integer,
            role = CASE WHEN $3 % 2 = 0 THEN 'USER' ELSE 'ADMIN' END::"Role"
        WHERE id = $1 RETURNING id, role, "passwordHash"
    )
    {_BEGIN} FROM changed ON CONFLICT DO NOTHING
    """,
    f"""
    WITH forgotten AS (DELETE FROM keyshop.token_families WHERE user_id = $1 AND id <> $2)
    {_BEGIN} FROM users WHERE id = $1 AND $3 > 0 ON CONFLICT DO NOTHING
    """,
)


class Rows(Protocol):
    """A connection, or a transaction of the shop's."""

    def execute(self, sql: str, /, *args: Any) -> Awaitable[object]: ...

    def fetch(self, sql: str, /, *args: Any) -> Awaitable[list[Record]]: ...


async def lock_version(rows: Rows, key: Key) -> int:
    """
    Lock the rows and return their version.

    A killed writer's statement may still be running; this waits for its locks.
    """
    user = user_of(key.owner)
    if key.family is Family.PROFILE:
        return _version_of_profile((await rows.fetch(_PROFILE, user))[0])
    await rows.execute(_LOCK_USER, user)
    if key.family is Family.ACCESS:
        return _newest(await rows.fetch(_TOKEN_FAMILIES, user))
    found = await rows.fetch(_LINES[key.family], user)
    lines = {record["gameId"]: record["quantity"] for record in found}
    count = count_of_lines(lines) if key.family is Family.CART else count_of_wishes(lines)
    return count * key.scale


def contents_of(key: Key, version: int) -> Mapping[str, int]:
    """Return the lines of a cart or a wishlist at the version."""
    is_cart = key.family in {Family.CART, Family.GUEST_CART}
    return (lines_of if is_cart else wishes_of)(version // key.scale)


async def put_version(rows: Rows, key: Key, *, old: int, new: int, dice: Random) -> None:
    """Change the old version to the new one; the next version takes a single statement."""
    user = user_of(key.owner)
    if key.family is Family.PROFILE:
        await rows.execute(dice.choice(_PUT_PROFILE), user, new)
    elif key.family is Family.ACCESS:
        await rows.execute(dice.choice(_PUT_ACCESS), user, token_family_of(key.owner, new), new)
    else:
        before, after = contents_of(key, old), contents_of(key, new)
        for game, quantity in changed_lines(before, after).items():
            if quantity:
                await rows.execute(_PUT_LINE[key.family], user, game, quantity)
            else:
                await rows.execute(_TAKE_LINE[key.family], user, game)


def changed_lines(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return the lines that differ, with their new quantity; 0 means removed."""
    return {
        game: after.get(game, 0)
        for game in {**before, **after}
        if before.get(game, 0) != after.get(game, 0)
    }


def _version_of_profile(record: Record) -> int:
    nickname = read_nickname(record["nickname"])
    assert nickname is not None
    return nickname[1] + int(record["balance"] * 100)


def _newest(records: list[Record]) -> int:
    families = [read_token_family(record["id"]) for record in records]
    return max(found[1] for found in families if found)
