"""The tables that answers read, compared with the declared sources that invalidate them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest
import pytest_asyncio

from keyshop import cache_keys
from keyshop.accounts.check_access import check_access
from keyshop.accounts.models import ClientInfo, Registration, SignInResult
from keyshop.accounts.register import register
from keyshop.accounts.show_profile import show_profile
from keyshop.baskets.change_cart import add_to_cart
from keyshop.baskets.change_wishlist import add_wish
from keyshop.baskets.models import Visitor
from keyshop.baskets.settings import BasketLimits
from keyshop.baskets.show_cart import show_cart
from keyshop.baskets.show_wishlist import show_wishlist
from keyshop.cache_keys import DERIVED, GAME, SOURCES, Source
from keyshop.kit.cache.families import CacheKey, Family
from keyshop.kit.cache.protocol import Load, Loaded
from keyshop.kit.database.errors import PrivilegeMissing
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.storefront.browse_catalogue import browse_catalogue
from keyshop.storefront.list_collections import list_collections
from keyshop.storefront.list_filters import list_filter_options, list_genres, list_platforms
from keyshop.storefront.list_games import (
    list_best_sellers,
    list_by_genre,
    list_new,
    list_new_in_catalogue,
    list_preorders,
    list_similar,
)
from keyshop.storefront.models import CatalogueFilter, Sort
from keyshop.storefront.search_games import suggest_games
from keyshop.storefront.show_game import show_game, show_game_by_slug
from tests.factories.account_services import BASKETS, account_services
from tests.factories.catalogue import make_catalogue_query
from tests.factories.games import NOON

# The columns from which triggers derive other tables.
DERIVED_COLUMNS = {
    "keyshop.game_facets": {
        "game_id": {"games.id"},
        "in_stock": {"games.inStock"},
        "price": {"games.price"},
        "rating": {"games.userRating"},
        "released": {"games.releaseDate"},
        "created": {"games.createdAt"},
        "is_preorder": {"games.isPreorder"},
        "is_best_seller": {"games.isBestSeller"},
        "is_marked_new": {"games.isNew"},
        "multiplayer": {"games.multiplayer"},
        "activation_service": {"games.activationService"},
        "region": {"games.region"},
        "publisher": {"games.publisher"},
        "names": {"games.title", "games.publisher"},
        "links": {
            "game_genres.gameId",
            "game_genres.genreId",
            "game_platforms.gameId",
            "game_platforms.platformId",
            "game_tags.gameId",
            "game_tags.tagId",
        },
    },
    "keyshop.game_description_terms": {
        "game_id": {"games.id"},
        "terms": {"games.description", "games.shortDescription"},
    },
}

PERSONAL = {"cart", "wishlist", "guest_cart", "guest_wishlist", "profile", "access"}
# No loader reads these yet.
UNREAD = {"orders", "order", "transactions", "balance"}


class Inspector:
    """A cache that stores nothing, and loads as a role that may read only the sources."""

    def __init__(self, db: Database, roles: dict[str, str]) -> None:
        self.seen: set[str] = set()
        self._db = db
        self._roles = roles

    async def read(self, key: CacheKey | None, load: Load, *, now: datetime) -> bytes | None:
        """Load as the role of the key's family, on the only connection."""
        del now
        assert key is not None
        self.seen.add(key.family.name)
        async with self._in_role(self._roles[key.family.name]):
            return (await load()).payload

    @asynccontextmanager
    async def _in_role(self, role: str) -> AsyncIterator[None]:
        # A connection keeps its role in the pool, and the pool hands out the last one first.
        async with self._db.read() as reader:
            await reader.fetch(f"SET ROLE {role}")
        try:
            yield
        finally:
            async with self._db.read() as reader:
                await reader.fetch("RESET ROLE")


@pytest_asyncio.fixture
async def inspector(db: Database, fresh_ids: dict[str, str]) -> AsyncIterator[Inspector]:
    """An inspector with a role for every family; PostgreSQL refuses all other reads of a role."""
    assert fresh_ids
    run = new_id().replace("-", "")
    roles = {family.name: f"{family.name}_{run}" for family in cache_keys.FAMILIES}
    async with db.transaction() as tx:
        for family in cache_keys.FAMILIES:
            for statement in grants(family, roles[family.name]):
                await tx.execute(statement)
    yield Inspector(db, roles)
    async with db.transaction() as tx:
        for role in roles.values():
            await tx.execute(f"DROP OWNED BY {role}")
            await tx.execute(f"DROP ROLE {role}")


def grants(family: Family, role: str) -> Iterator[str]:
    """Yield the statements that create a role which may read only the family's sources."""
    yield f"CREATE ROLE {role}"
    yield f"GRANT USAGE ON SCHEMA public, keyshop TO {role}"
    covered: set[str] = set()
    for source in SOURCES:
        columns = columns_of(source, family)
        if columns:
            covered |= {f"{source.table}.{column}" for column in columns}
            yield f"GRANT SELECT ({listed(columns)}) ON {source.table} TO {role}"
    for table, derived in DERIVED_COLUMNS.items():
        columns = {column for column, made_from in derived.items() if made_from <= covered}
        if columns:
            yield f"GRANT SELECT ({listed(columns)}) ON {table} TO {role}"


def columns_of(source: Source, family: Family) -> set[str]:
    """Return the columns whose change invalidates the family; primary keys never change."""
    parts = [
        *(key.columns for key in source.keys if key.family is family),
        *(group.columns for group in source.groups if group.name == family.group),
    ]
    columns = {column for part in parts for column in part}
    return columns | set(source.primary_key) if columns else set()


def listed(columns: set[str]) -> str:
    return ", ".join(f'"{column}"' for column in sorted(columns))


def _page(wanted: CatalogueFilter, sort: Sort) -> Callable[[Database, Inspector], Awaitable[bytes]]:
    return lambda db, cache: browse_catalogue(
        db, cache, make_catalogue_query(wanted, sort=sort), now=NOON
    )


READS: list[Callable[[Database, Inspector], Awaitable[bytes]]] = [
    lambda db, cache: show_game_by_slug(db, cache, slug="iron-dawn", now=NOON),
    lambda db, cache: list_best_sellers(db, cache, genre=None, now=NOON),
    lambda db, cache: list_best_sellers(db, cache, genre="Action", now=NOON),
    lambda db, cache: list_new_in_catalogue(db, cache, now=NOON),
    lambda db, cache: list_new(db, cache, now=NOON),
    lambda db, cache: list_preorders(db, cache, now=NOON),
    lambda db, cache: list_by_genre(db, cache, genre="Action", now=NOON),
    lambda db, cache: list_genres(db, cache, now=NOON),
    lambda db, cache: list_platforms(db, cache, now=NOON),
    lambda db, cache: list_filter_options(db, cache, now=NOON),
    lambda db, cache: list_collections(db, cache, now=NOON),
    lambda db, cache: suggest_games(db, cache, text="Iro", limit=10, now=NOON),
    *(
        _page(wanted, sort)
        for sort in Sort
        for wanted in (
            CatalogueFilter(),
            CatalogueFilter(in_stock_only=True),
            CatalogueFilter(genres=["action"]),
            CatalogueFilter(platforms=["steam"], in_stock_only=True),
        )
    ),
]


async def make_people(db: Database, *, game_id: str) -> tuple[Visitor, Visitor, SignInResult]:
    """Return a customer and a guest with the game in cart and wishlist, and the customer again."""
    limits = BasketLimits()
    session_id = await add_to_cart(db, Visitor(), game_id, 2, limits=limits, now=NOON)
    guest = Visitor(session_id=session_id)
    registration = Registration(email="alice@example.com", password="Correct-horse-1")
    caller = ClientInfo(address="192.0.2.1")
    signed_up = await register(db, account_services(), BASKETS, registration, caller, now=NOON)
    customer = Visitor(user_id=signed_up.account.id)
    await add_to_cart(db, customer, game_id, 2, limits=limits, now=NOON)
    for visitor in (customer, guest):
        await add_wish(db, visitor, game_id, limits=limits, now=NOON)
    return customer, guest, signed_up


class TestLoaders:
    async def test_read_only_what_invalidates_their_answers(
        self, db: Database, inspector: Inspector, fresh_ids: dict[str, str]
    ):
        game = fresh_ids["Iron Dusk"]

        await show_game(db, inspector, game_id=game, now=NOON)
        await list_similar(db, inspector, game_id=game, count=10, now=NOON)
        for read in READS:
            assert len(await read(db, inspector)) > 80

        families = {family.name for family in cache_keys.FAMILIES}
        assert inspector.seen == families - UNREAD - PERSONAL

    async def test_of_personal_answers_read_only_what_invalidates_them(
        self, db: Database, inspector: Inspector, fresh_ids: dict[str, str]
    ):
        customer, guest, signed_up = await make_people(db, game_id=fresh_ids["Iron Dusk"])

        for visitor in (customer, guest):
            for show in (show_cart, show_wishlist):
                assert len(await show(db, inspector, visitor, now=NOON)) > 80
        await show_profile(db, inspector, user_id=signed_up.account.id, now=NOON)
        bearer = signed_up.tokens.token
        await check_access(db, inspector, account_services().tokens, bearer, now=NOON)

        assert inspector.seen == PERSONAL

    @pytest.mark.parametrize(
        ("statement", "table"),
        [
            ('SELECT "g2aStock"::text FROM games', "games"),
            ('SELECT title FROM games ORDER BY "ratingUser"', "games"),
            ("SELECT email FROM users", "users"),
            ("SELECT count(*)::text FROM keyshop.sync_runs", "sync_runs"),
        ],
    )
    async def test_of_any_other_table_would_be_refused(
        self, db: Database, inspector: Inspector, statement: str, table: str
    ):
        async def load() -> Loaded:
            async with db.read() as reader:
                await reader.fetch(statement)
            return Loaded(b"made up")

        with pytest.raises(PrivilegeMissing) as refused:
            await inspector.read(GAME.find_key(id="1"), load, now=NOON)

        assert f"denied for table {table}" in str(refused.value.__cause__)


class TestDerivedTables:
    async def test_have_no_column_of_unknown_origin(self, db: Database):
        async with db.read() as reader:
            for table, columns in DERIVED_COLUMNS.items():
                found = await reader.fetch(
                    "SELECT attname FROM pg_attribute"
                    " WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped",
                    table,
                )
                assert {record[0] for record in found} == columns.keys()

    def test_are_made_from_the_tables_that_the_page_names(self):
        for table, columns in DERIVED_COLUMNS.items():
            origins = {
                origin.split(".")[0] for made_from in columns.values() for origin in made_from
            }
            assert origins == set(DERIVED[table])

    async def test_change_with_no_other_column_of_a_game(
        self, db: Database, fresh_ids: dict[str, str]
    ):
        game = fresh_ids["Rust"]
        for column, value in (await values_of_games(db)).items():
            before = await derived_of(db, game)
            async with db.transaction() as tx:
                touched = await tx.execute(
                    f'UPDATE games SET "{column}" = {value} WHERE id = $1', game
                )
            after = await derived_of(db, game)

            assert touched == 1
            changed = {name for name, text in after.items() if text != before[name]}
            assert changed <= {
                f"{table}.{derived}"
                for table, columns in DERIVED_COLUMNS.items()
                for derived, made_from in columns.items()
                if f"games.{column}" in made_from
            }, column


async def values_of_games(db: Database) -> dict[str, str]:
    """Return the columns of games and another value for each, as SQL."""
    async with db.read() as reader:
        records = await reader.fetch(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute"
            " WHERE attrelid = 'games'::regclass AND attnum > 0 AND NOT attisdropped"
            " AND attname <> 'id'"
        )
    assert len(records) >= 30
    return {name: VALUES[kind].replace("$", f'"{name}"') for name, kind in records}


VALUES = {
    "text": "'changed'",
    "text[]": "ARRAY['changed']",
    "boolean": "NOT $",
    "integer": "77",
    "smallint": "77",
    "numeric": "7.77",
    "timestamp without time zone": "'2001-01-01'",
}


async def derived_of(db: Database, game_id: str) -> dict[str, str]:
    """Return what triggers store of a game, column by column."""
    found: dict[str, str] = {}
    async with db.read() as reader:
        for table in DERIVED_COLUMNS:
            records = await reader.fetch(
                f"SELECT key, value FROM {table} AS kept, json_each_text(row_to_json(kept))"
                " WHERE game_id = $1",
                game_id,
            )
            found |= {f"{table}.{record['key']}": record["value"] for record in records}
    return found
