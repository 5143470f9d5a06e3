"""PostgreSQL is killed while a sync runs."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from g2a_simulator.market import Market
from g2a_simulator.server import serve
from keyshop.embedded.postgres import PostgresServer
from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.schema.migrate import upgrade
from keyshop.sync import queries
from keyshop.sync.models import Run
from keyshop.sync.rules import RunState
from tests.factories.syncs import count, expected_price, open_client, read_games, sync, wait_until
from tests.keyshop.embedded.users import get_server, kill
from tests.servers import FAST, open_home


@pytest.fixture
def market() -> Market:
    """A supplier with more than one batch of products."""
    market = Market(products=1200, seed=1)
    market.settings.requests_per_minute = None
    return market


@pytest_asyncio.fixture
async def server() -> AsyncIterator[PostgresServer]:
    """A migrated PostgreSQL server for this test alone."""
    with open_home() as home, PostgresServer(home, settings=FAST) as server:
        await asyncio.to_thread(upgrade, server.url)
        yield server


class TestKilledDatabase:
    async def test_keeps_what_was_written_and_the_next_sync_finishes(
        self, server: PostgresServer, market: Market
    ) -> None:
        db = Database(server.url, guard=RedisCommitGuard(None))
        await db.open()

        async with serve(market) as url, open_client(url, pause_at=40) as held:
            running = asyncio.create_task(sync(db, held))
            await held.paused.wait()

            async def is_first_batch_written() -> bool:
                return await count(db, "games") == 500

            # After the first batch, the server is killed and restarted.
            await wait_until(is_first_batch_written)
            kill(get_server(server.folder.parent, "postgres"))
            await asyncio.to_thread(server.ensure)
            held.resume.set()
            (ended,) = await asyncio.gather(running, return_exceptions=True)

            # The run continued over new connections, or failed because the connection was lost.
            assert isinstance(ended, Run | DatabaseUnavailable)
            games = await read_games(db)
            assert len(games) in {500, 1000, 1200}
            assert all(game["price"] == expected_price(market, id_) for id_, game in games.items())

            # The next run completes, and no run stays open.
            assert (await sync(db, held)).state is RunState.COMPLETE
            assert await count(db, "games") == 1200
        async with db.read() as reader:
            states = [run.state for run in await queries.list_runs(reader, limit=5)]
        assert RunState.RUNNING not in states
        await db.close()
