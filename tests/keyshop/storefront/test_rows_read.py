"""How many rows and statements an answer costs."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from asyncpg.connection import LoggedQuery

from bench.catalogue import fill
from keyshop.baskets.show_cart import show_cart
from keyshop.baskets.show_wishlist import show_wishlist
from keyshop.embedded.postgres import PostgresServer
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from keyshop.storefront.browse_catalogue import browse_catalogue
from keyshop.storefront.list_collections import list_collections
from keyshop.storefront.list_filters import list_filter_options, list_genres, list_platforms
from keyshop.storefront.list_games import (
    list_best_sellers,
    list_by_genre,
    list_new,
    list_new_in_catalogue,
    list_preorders,
    list_random,
)
from keyshop.storefront.models import CatalogueFilter, Sort
from keyshop.storefront.search_games import search_games, suggest_games
from tests.factories.baskets import make_guest, make_user, put, wish
from tests.factories.catalogue import make_catalogue_query
from tests.factories.games import NOON
from tests.keyshop.storefront.conftest import NO_CACHE
from tests.servers import copied_database

GAMES = 3_000
_FIVE = 'SELECT id FROM games WHERE "inStock" LIMIT 5'


@pytest_asyncio.fixture(scope="session")
async def large(postgres_server: PostgresServer, template_database: str) -> AsyncIterator[Database]:
    """A shop with three thousand games, on one connection."""
    async with copied_database(postgres_server, template_database) as url:
        database = Database(url, max_size=1, guard=RedisCommitGuard(None))
        await database.open()
        await fill(database, GAMES)
        yield database
        await database.close()


async def rows_read(db: Database) -> int:
    """Return how many rows of `games` have been read so far, by scan or by index."""
    async with db.read() as reader:
        await reader.fetch("SELECT pg_stat_force_next_flush()")
        return int(
            await reader.fetchval(
                "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_user_tables"
                " WHERE relname = 'games'"
            )
        )


LISTS: list[tuple[str, Callable[[Database], Awaitable[bytes]], int, int]] = [
    # Name, read, statements, rows of games.
    (
        "catalogue",
        lambda db: browse_catalogue(
            db,
            NO_CACHE,
            make_catalogue_query(CatalogueFilter(genres=["action"])),
            now=NOON,
        ),
        2,
        36,
    ),
    (
        "a late page of all games in stock",
        lambda db: browse_catalogue(
            db,
            NO_CACHE,
            make_catalogue_query(
                CatalogueFilter(in_stock_only=True), sort=Sort.POPULAR, page=50, page_size=36
            ),
            now=NOON,
        ),
        2,
        36,
    ),
    ("best sellers", lambda db: list_best_sellers(db, NO_CACHE, genre=None, now=NOON), 2, 400),
    ("new in the catalogue", lambda db: list_new_in_catalogue(db, NO_CACHE, now=NOON), 2, 400),
    ("new", lambda db: list_new(db, NO_CACHE, now=NOON), 2, 400),
    ("preorders", lambda db: list_preorders(db, NO_CACHE, now=NOON), 2, 400),
    ("genre", lambda db: list_by_genre(db, NO_CACHE, genre="Action", now=NOON), 3, 40),
    ("random", lambda db: list_random(db, count=10, now=NOON), 2, 10),
    ("search", lambda db: search_games(db, text="dragon", now=NOON), 2, 50),
    (
        "suggestions",
        lambda db: suggest_games(db, NO_CACHE, text="dragon", limit=10, now=NOON),
        1,
        10,
    ),
    ("genres", lambda db: list_genres(db, NO_CACHE, now=NOON), 1, 0),
    ("platforms", lambda db: list_platforms(db, NO_CACHE, now=NOON), 1, 0),
    ("filter options", lambda db: list_filter_options(db, NO_CACHE, now=NOON), 5, 0),
    ("collections", lambda db: list_collections(db, NO_CACHE, now=NOON), 3, 400),
]


class TestLists:
    @pytest.mark.parametrize(
        ("read", "statements", "rows"), [one[1:] for one in LISTS], ids=[one[0] for one in LISTS]
    )
    async def test_never_read_the_whole_catalogue(
        self,
        large: Database,
        read: Callable[[Database], Awaitable[bytes]],
        statements: int,
        rows: int,
    ):
        seen: list[str] = []

        def note(query: LoggedQuery) -> None:
            # On a new connection, the driver queries the types that it meets.
            if "pg_catalog" not in query.query and "set_config" not in query.query:
                seen.append(query.query)

        await read(large)
        before = await rows_read(large)
        async with large.read() as reader:
            reader._connection.add_query_logger(note)
        await read(large)
        async with large.read() as reader:
            reader._connection.remove_query_logger(note)

        assert await rows_read(large) - before <= rows
        assert len(seen) <= statements


class TestBaskets:
    async def test_read_the_games_that_are_in_them(self, large: Database):
        async with large.read() as reader:
            games = [row["id"] for row in await reader.fetch(_FIVE)]
        guest, customer = await make_guest(large), await make_user(large)
        for visitor in (guest, customer):
            await put(large, visitor, *games)
            await wish(large, visitor, *games)

        before = await rows_read(large)
        for visitor in (guest, customer):
            await show_cart(large, NO_CACHE, visitor, now=NOON)
            await show_wishlist(large, NO_CACHE, visitor, now=NOON)

        assert await rows_read(large) - before <= 4 * len(games)
