"""A full sync into a shop that has been synced before."""

from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.sync.rules import RunKind, RunState
from tests.factories.syncs import (
    change,
    check_stock,
    count,
    expected_price,
    open_client,
    read_game,
    read_games,
    read_links,
    read_versions,
    sync,
    wait_until,
)
from tests.servers import connected as database_connection

_WRITTEN = """
    SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_all_tables
    WHERE relid = ANY(ARRAY['games', 'keyshop.supplier_games', 'game_genres', 'game_platforms',
                            'game_categories', 'genres', 'platforms', 'categories']::regclass[])
"""
_GAMES_WRITTEN = """
    SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_all_tables
    WHERE relid = 'games'::regclass
"""
_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND backend_type = 'client backend'
"""


async def rows_written(database_url: str, sql: str) -> int:
    """Return PostgreSQL's statistics, once every session that could still report has ended."""
    async with database_connection(database_url) as connection:

        async def are_all_gone() -> bool:
            return not await connection.fetchval(_OTHERS)

        await wait_until(are_all_gone)
        return int(await connection.fetchval(sql))


class TestUnchangedSupplier:
    async def test_writes_nothing_by_postgresqls_own_statistics(
        self, database_url, simulator_url
    ) -> None:
        async def run_once(kind: RunKind) -> None:
            db = Database(database_url, guard=RedisCommitGuard(None))
            await db.open()
            async with open_client(simulator_url) as supplier:
                assert (await sync(db, supplier, kind)).state is RunState.COMPLETE
            await db.close()

        await run_once(RunKind.FULL)
        assert await rows_written(database_url, _GAMES_WRITTEN) == 60
        before = await rows_written(database_url, _WRITTEN)

        await run_once(RunKind.FULL)
        await run_once(RunKind.STOCK)

        assert await rows_written(database_url, _WRITTEN) == before

    async def test_leaves_every_row_where_it_was(self, db, supplier) -> None:
        tables = ("games", "keyshop.supplier_games", "game_genres", "genres")
        await sync(db, supplier)
        before = [await read_versions(db, table) for table in tables]

        runs = [await sync(db, supplier), await check_stock(db, supplier)]

        assert [await read_versions(db, table) for table in tables] == before
        assert [(run.products, run.added, run.updated, run.relinked) for run in runs] == [
            (60, 0, 0, 0)
        ] * 2


class TestChangedSupplier:
    async def test_changes_only_the_games_it_concerns(self, db, supplier, market) -> None:
        dearer, sold_out, renamed, moved = market.first_ids(4)
        market.set_product(sold_out, qty=5, availableToBuy=None)
        await sync(db, supplier)
        before = await read_versions(db, "games")
        market.set_product(dearer, minPrice=77.7, retail_min_price=70)
        market.set_product(sold_out, qty=0)
        market.set_product(renamed, name="Another Name")
        market.set_product(moved, region="MOON")

        run = await sync(db, supplier)

        after = await read_versions(db, "games")
        assert (run.added, run.updated, run.relinked) == (0, 4, 0)
        assert len(after.items() - before.items()) == 4
        assert (await read_game(db, dearer))["price"] == expected_price(market, dearer)
        assert (await read_game(db, sold_out))["inStock"] is False
        assert (await read_game(db, renamed))["title"] == "Another Name"
        assert (await read_game(db, moved))["region"] == "MOON"

    async def test_records_when_a_row_changed(self, db, supplier, market) -> None:
        product_id, other = market.first_ids(2)
        await sync(db, supplier)
        before = await read_games(db)
        began = utc_now()
        market.set_product(product_id, minPrice=77.7)

        await sync(db, supplier)

        changed, untouched = await read_game(db, product_id), await read_game(db, other)
        assert changed["g2aLastSync"] == changed["updatedAt"]
        assert (changed["updatedAt"] - began).total_seconds() > -0.001
        assert changed["createdAt"] == before[product_id]["createdAt"]
        assert untouched == before[other]

    async def test_keeps_the_slug_of_a_renamed_game(self, db, supplier, market) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, name="Old Name")
        await sync(db, supplier)
        market.set_product(product_id, name="New Name")

        await sync(db, supplier)

        game = await read_game(db, product_id)
        assert (game["title"], game["slug"]) == ("New Name", "old-name")

    async def test_cleans_a_title_once_and_keeps_its_slug(self, db, supplier, market) -> None:
        product_id = market.first_ids(1)[0]
        await sync(db, supplier)
        # As an earlier version stored it.
        await change(
            db,
            """UPDATE games SET title = 'Tom &amp; Jerry', slug = 'tom-amp-jerry'
                WHERE "g2aProductId" = $1""",
            product_id,
        )
        market.set_product(product_id, name="Tom &amp; Je\u200brry")

        runs = [await sync(db, supplier), await sync(db, supplier)]

        assert [run.updated for run in runs] == [1, 0]
        game = await read_game(db, product_id)
        assert (game["title"], game["slug"]) == ("Tom & Jerry", "tom-amp-jerry")

    async def test_writes_only_the_offer_when_the_game_is_the_same(self, db, supplier, market):
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, qty=5, availableToBuy=True)
        await sync(db, supplier)
        before = await read_versions(db, "games")
        market.set_product(product_id, qty=4, availableToBuy=True)

        run = await sync(db, supplier)

        assert await read_versions(db, "games") == before
        assert run.updated == 0
        async with db.read() as reader:
            qty = await reader.fetchval(
                "SELECT qty FROM keyshop.supplier_games WHERE product_id = $1", product_id
            )
        assert qty == 4

    async def test_moves_links_with_the_suppliers_categories(self, db, supplier, market) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(
            product_id, platform="Steam", categories=[{"id": 1, "name": n} for n in ("A", "B")]
        )
        await sync(db, supplier)
        market.set_product(
            product_id, platform="GOG", categories=[{"id": 1, "name": n} for n in ("B", "C")]
        )

        run = await sync(db, supplier)

        assert (run.updated, run.relinked) == (0, 1)
        assert await read_links(db, "platforms", product_id) == {"GOG"}
        assert await read_links(db, "genres", product_id) == {"B", "C"}
        assert await read_links(db, "categories", product_id) == {"B", "C"}

    async def test_keeps_values_that_the_supplier_no_longer_sends(self, db, supplier, market):
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, publisher="Pub", region="EUROPE", release_date="2020-02-03")
        await sync(db, supplier)
        before = await read_game(db, product_id)
        market.set_product(
            product_id, publisher="", region="", release_date="", coverImage="", images=[]
        )

        await sync(db, supplier)

        assert await read_game(db, product_id) == before

    async def test_adds_what_is_new(self, db, supplier, market) -> None:
        await sync(db, supplier)
        market.add_product("99999999999999", name="A New One", minPrice=5, qty=1)

        run = await sync(db, supplier)

        assert (run.added, run.updated) == (1, 0)
        assert await count(db, "games") == 61


class TestDeletedName:
    async def test_comes_back_with_all_its_games(self, db, supplier, market) -> None:
        await sync(db, supplier)
        linked = {id_: await read_links(db, "genres", id_) for id_ in market.product_ids()}
        genre = next(name for names in linked.values() for name in names)
        await change(db, "DELETE FROM genres WHERE name = $1", genre)

        await sync(db, supplier)

        assert {id_: await read_links(db, "genres", id_) for id_ in linked} == linked


class TestOperatorsWork:
    async def test_stays_when_the_supplier_changes_anything(self, db, supplier, market) -> None:
        product_id = market.first_ids(1)[0]
        await sync(db, supplier)
        await change(
            db,
            """UPDATE games SET description = 'By hand', slug = 'by-hand', "isBestSeller" = true,
                   "isNew" = true, "isPreorder" = true, "originalPrice" = 99.99, discount = 10,
                   "ratingCritic" = 90, "ratingUser" = 80, "metacriticScore" = 88,
                   "userRating" = 4.5, "ageRating" = '18', multiplayer = true,
                   "activationService" = 'By hand', languages = '{de}',
                   "shortDescription" = 'Short'
               WHERE "g2aProductId" = $1""",
            product_id,
        )
        edited = await read_game(db, product_id)
        market.set_product(
            product_id, name="Renamed", minPrice=55.5, platform="GOG", description="<b>New</b>"
        )

        await sync(db, supplier)

        game = await read_game(db, product_id)
        suppliers = {"title", "price", "updatedAt", "g2aLastSync"}
        assert (game["title"], game["price"]) == ("Renamed", expected_price(market, product_id))
        assert {k: v for k, v in game.items() if k not in suppliers} == {
            k: v for k, v in edited.items() if k not in suppliers
        }

    async def test_keeps_links_made_by_hand(self, db, supplier, market) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, platform="Steam", categories=[{"id": 1, "name": "Action"}])
        await sync(db, supplier)
        await link_by_hand(db, product_id, genre="Cosy", platform="Mac", tag="cheap")
        market.set_product(product_id, platform="GOG", categories=[{"id": 1, "name": "Racing"}])

        await sync(db, supplier)

        assert await read_links(db, "genres", product_id) == {"Racing", "Cosy"}
        assert await read_links(db, "platforms", product_id) == {"GOG", "Mac"}
        assert await read_links(db, "tags", product_id) == {"cheap"}

    async def test_keeps_a_link_that_was_there_before_the_supplier_wanted_it(
        self, db, supplier, market
    ) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, categories=[{"id": 1, "name": "Action"}])
        await sync(db, supplier)
        await link_by_hand(db, product_id, genre="Cosy", platform="Mac", tag="cheap")
        market.set_product(
            product_id, categories=[{"id": 1, "name": "Action"}, {"id": 1, "name": "Cosy"}]
        )
        await sync(db, supplier)
        market.set_product(product_id, categories=[{"id": 1, "name": "Action"}])

        await sync(db, supplier)

        assert await read_links(db, "genres", product_id) == {"Action", "Cosy"}
        # Only the sync had linked the category of that name.
        assert await read_links(db, "categories", product_id) == {"Action"}

    async def test_survives_a_deleted_genre(self, db, supplier, market) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, categories=[{"id": 1, "name": "Action"}])
        await sync(db, supplier)
        await change(db, "DELETE FROM genres")
        market.set_product(
            product_id, categories=[{"id": 1, "name": "Action"}, {"id": 1, "name": "Racing"}]
        )

        run = await sync(db, supplier)

        assert run.state is RunState.COMPLETE
        assert await read_links(db, "genres", product_id) == {"Action", "Racing"}

    async def test_of_removing_a_link_is_not_undone(self, db, supplier, market) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, categories=[{"id": 1, "name": "Action"}])
        await sync(db, supplier)
        await change(db, "DELETE FROM game_genres")

        await sync(db, supplier)

        assert await read_links(db, "genres", product_id) == set()

    async def test_of_deleting_a_game_is_undone_by_the_supplier_who_still_has_it(
        self, db, supplier, market
    ) -> None:
        product_id = market.first_ids(1)[0]
        await sync(db, supplier)
        await change(db, 'DELETE FROM games WHERE "g2aProductId" = $1', product_id)

        run = await sync(db, supplier)

        assert (run.added, run.updated) == (1, 0)


async def link_by_hand(db, product_id: str, *, genre: str, platform: str, tag: str) -> None:
    for table, links, column, name in (
        ("genres", "game_genres", "genreId", genre),
        ("platforms", "game_platforms", "platformId", platform),
        ("tags", "game_tags", "tagId", tag),
    ):
        await change(
            db,
            f"INSERT INTO {table} (id, name, slug) VALUES ($1, $1, lower($1))"
            " ON CONFLICT DO NOTHING",
            name,
        )
        await change(
            db,
            f'INSERT INTO {links} ("gameId", "{column}") SELECT g.id, $2 FROM games AS g'
            ' WHERE "g2aProductId" = $1',
            product_id,
            name,
        )
