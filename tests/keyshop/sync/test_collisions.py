"""Concurrent writers: a batch that conflicts is written again, and not lost."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest_asyncio

from keyshop.kit.database.pool import Database
from keyshop.sync.models import Run
from keyshop.sync.rules import RunKind, RunState
from tests.factories.games import game_columns
from tests.factories.syncs import (
    count,
    expected_price,
    read_game,
    read_games,
    read_links,
    sync,
    wait_until,
)
from tests.servers import connected as database_connection

Connection = asyncpg.Connection

_WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest_asyncio.fixture
async def operator(database_url) -> AsyncIterator[Connection]:
    """Another writer, with a connection of its own."""
    async with database_connection(database_url) as connection:
        yield connection


@asynccontextmanager
async def meeting(operator, db: Database, supplier) -> AsyncIterator[asyncio.Task[Run]]:
    """Run the block in an open transaction; at its end a sync waits for it, and it commits."""
    transaction = operator.transaction()
    await transaction.start()
    running = asyncio.create_task(sync(db, supplier))
    yield running

    async def is_waiting() -> bool:
        async with db.read() as reader:
            return bool(await reader.fetchval(_WAITING))

    await wait_until(is_waiting)
    await transaction.commit()
    await running


class TestCollision:
    async def test_with_the_same_genre_links_to_the_one_that_is_there(
        self, db, supplier, market, operator
    ) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, categories=[{"id": 1, "name": "Brand New"}])

        async with meeting(operator, db, supplier) as running:
            await operator.execute(
                "INSERT INTO genres (id, name, slug) VALUES ('mine', 'Brand New', 'brand-new')"
            )

        assert (await running).state is RunState.COMPLETE
        assert await count(db, "games") == 60
        assert await read_links(db, "genres", product_id) == {"Brand New"}
        assert (await running).genres_created == await count(db, "genres") - 1

    async def test_of_slugs_takes_another_slug(self, db, supplier, market, operator) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, name="Portal")
        game = game_columns(title="Portal")

        async with meeting(operator, db, supplier) as running:
            columns = ", ".join(f'"{name}"' for name in game)
            places = ", ".join(f"${number}" for number in range(1, len(game) + 1))
            times = {k: v.replace(tzinfo=None) for k, v in game.items() if hasattr(v, "tzinfo")}
            await operator.execute(
                f"INSERT INTO games ({columns}) VALUES ({places})", *(game | times).values()
            )

        run = await running
        assert (run.state, run.added) == (RunState.COMPLETE, 60)
        assert await count(db, "games") == 61
        assert (await read_game(db, product_id))["slug"] == f"portal-{product_id}"

    async def test_with_a_deleted_genre_creates_it_again(
        self, db, supplier, market, operator
    ) -> None:
        product_id = market.first_ids(1)[0]
        market.set_product(product_id, categories=[{"id": 1, "name": "Action"}])
        await sync(db, supplier)
        market.set_product(
            product_id, categories=[{"id": 1, "name": "Action"}, {"id": 1, "name": "Puzzle"}]
        )

        async with meeting(operator, db, supplier) as running:
            await operator.execute("DELETE FROM genres WHERE name = 'Puzzle'")
            await operator.execute("INSERT INTO genres VALUES ('p', 'Puzzle', 'puzzle')")
            await operator.execute("DELETE FROM genres WHERE name = 'Puzzle'")
            await operator.execute("INSERT INTO genres VALUES ('q', 'Puzzle', 'puzzle')")

        assert (await running).state is RunState.COMPLETE
        assert await read_links(db, "genres", product_id) == {"Action", "Puzzle"}

    async def test_with_a_deleted_game_creates_it_again(
        self, db, supplier, market, operator
    ) -> None:
        product_id = market.first_ids(1)[0]
        await sync(db, supplier)
        market.set_product(product_id, minPrice=55.5, categories=[{"id": 1, "name": "New"}])

        async with meeting(operator, db, supplier) as running:
            await operator.execute('DELETE FROM games WHERE "g2aProductId" = $1', product_id)

        assert (await running).state is RunState.COMPLETE
        await sync(db, supplier)
        assert await count(db, "games") == 60
        assert (await read_game(db, product_id))["price"] == expected_price(market, product_id)
        assert await read_links(db, "genres", product_id) == {"New"}

    async def test_of_locks_in_opposite_order_loses_nothing(
        self, db, supplier, market, operator
    ) -> None:
        await sync(db, supplier)
        for product_id in market.product_ids():
            market.set_product(product_id, minPrice=55.5)
        rate = 'UPDATE games SET "ratingUser" = 77 WHERE id = (SELECT {}(id) FROM games)'
        await operator.execute("SET deadlock_timeout = '30s'")
        transaction = operator.transaction()
        await transaction.start()
        await operator.execute(rate.format("max"))
        running = asyncio.create_task(sync(db, supplier))

        async def is_waiting() -> bool:
            async with db.read() as reader:
                return bool(await reader.fetchval(_WAITING))

        await wait_until(is_waiting)
        # Each waits for the other. PostgreSQL aborts the one that detects it, the sync.
        await operator.execute(rate.format("min"))
        await transaction.commit()

        run = await running
        games = await read_games(db)
        assert (run.state, run.updated) == (RunState.COMPLETE, 60)
        assert all(game["price"] == expected_price(market, id_) for id_, game in games.items())
        assert sum(game["ratingUser"] == 77 for game in games.values()) == 2


class TestBusyShop:
    async def test_loses_no_price_and_no_edit(self, db, supplier, market, database_url) -> None:
        await sync(db, supplier)
        games = sorted(game["id"] for game in (await read_games(db)).values())
        done = asyncio.Event()

        writers = [asyncio.create_task(edit_games(database_url, games, n, done)) for n in range(3)]
        for round_ in range(4):
            for product_id in market.product_ids():
                market.set_product(
                    product_id,
                    minPrice=10 + round_,
                    categories=[{"id": 1, "name": f"Genre {round_}"}],
                )
            runs = await asyncio.gather(sync(db, supplier), sync(db, supplier, RunKind.STOCK))
            assert [run.state for run in runs] == [RunState.COMPLETE] * 2
        done.set()
        edits = dict.fromkeys(games, 0)
        for writer in writers:
            for game_id, number in (await writer).items():
                edits[game_id] += number

        rows = await read_games(db)
        assert all(game["price"] == expected_price(market, id_) for id_, game in rows.items())
        assert {game["id"]: game["metacriticScore"] or 0 for game in rows.values()} == edits
        assert sum(edits.values()) > 0


async def edit_games(
    database_url: str, games: list[str], seed: int, done: asyncio.Event
) -> dict[str, int]:
    """Edit games in random order until the event is set, and return how often each was edited."""
    dice = random.Random(seed)
    edits = dict.fromkeys(games, 0)
    async with database_connection(database_url) as connection:
        # They detect a deadlock sooner than the sync, and are aborted.
        await connection.execute("SET deadlock_timeout = '100ms'")
        while not done.is_set():
            chosen = dice.sample(games, 3)
            try:
                async with connection.transaction():
                    for game_id in chosen:
                        await connection.execute(
                            """UPDATE games SET "metacriticScore" = COALESCE("metacriticScore", 0) + 1
                               WHERE id = $1""",
                            game_id,
                        )
            except asyncpg.DeadlockDetectedError:
                continue  # nothing of it was written
            for game_id in chosen:
                edits[game_id] += 1
    return edits
