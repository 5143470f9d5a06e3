import asyncio

import asyncpg
import pytest

from keyshop.schema.attach import attach
from keyshop.schema.detach import detach
from keyshop.schema.errors import DetachRefused
from keyshop.schema.migrate import status
from tests.keyshop.schema.money_rows import ROWS
from tests.keyshop.schema.prisma_database import describe_all
from tests.servers import connected


def _ignore_step(step: str) -> None:
    """Take no notice of the steps."""


class TestDetach:
    async def test_leaves_the_database_as_it_was_before(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        before = await describe_all(prisma, "public", "keyshop")
        await asyncio.to_thread(attach, prisma_url, _ignore_step)

        detached = await asyncio.to_thread(detach, prisma_url)

        assert await describe_all(prisma, "public", "keyshop") == before
        assert detached.triggers > 50
        assert detached.indexes == 7

    async def test_keeps_rows_written_while_attached(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        await asyncio.to_thread(attach, prisma_url, _ignore_step)
        await prisma.execute("UPDATE public.games SET price = 77 WHERE id = 'g1'")

        await asyncio.to_thread(detach, prisma_url)

        assert await prisma.fetchval("SELECT price FROM public.games WHERE id = 'g1'") == 77

    async def test_can_be_followed_by_another_attach(self, prisma_url: str) -> None:
        await asyncio.to_thread(attach, prisma_url, _ignore_step)
        await asyncio.to_thread(detach, prisma_url)

        attached = await asyncio.to_thread(attach, prisma_url, _ignore_step)

        assert attached.opening_balances == 2

    async def test_is_refused_where_keyshop_made_the_tables(self, db_url: str) -> None:
        with pytest.raises(DetachRefused, match=r"made by keyshop.*Nothing was changed"):
            await asyncio.to_thread(detach, db_url)
        assert (await asyncio.to_thread(status, db_url)).state == "ours"

    async def test_is_refused_where_nothing_is_attached(self, prisma_url: str) -> None:
        with pytest.raises(DetachRefused, match="not attached"):
            await asyncio.to_thread(detach, prisma_url)

    async def test_is_refused_while_a_view_depends_on_schema_keyshop(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        await asyncio.to_thread(attach, prisma_url, _ignore_step)
        await prisma.execute("CREATE VIEW public.runs AS SELECT * FROM keyshop.sync_runs")

        with pytest.raises(DetachRefused, match="such as a view"):
            await asyncio.to_thread(detach, prisma_url)

        assert await prisma.fetchval("SELECT count(*) FROM public.runs") == 0
        assert (await asyncio.to_thread(status, prisma_url)).triggers == []

    async def test_fails_unchanged_when_a_table_stays_locked(self, prisma_url: str) -> None:
        await asyncio.to_thread(attach, prisma_url, _ignore_step)

        async with connected(prisma_url) as busy, busy.transaction():
            await busy.execute("SELECT FROM public.games")
            with pytest.raises(DetachRefused, match=r"nothing was changed.*lock timeout"):
                await asyncio.to_thread(detach, prisma_url)

        assert (await asyncio.to_thread(status, prisma_url)).triggers == []
        await asyncio.to_thread(detach, prisma_url)

    async def test_is_refused_while_texts_of_keys_are_sealed(
        self, prisma: asyncpg.Connection, prisma_url: str
    ) -> None:
        await asyncio.to_thread(attach, prisma_url, _ignore_step)
        await prisma.execute(ROWS)

        with pytest.raises(DetachRefused, match=r"would be lost.*KEY_STORAGE=plain"):
            await asyncio.to_thread(detach, prisma_url)

        await prisma.execute("UPDATE game_keys SET key = 'AAAAA-' || id")
        await asyncio.to_thread(detach, prisma_url)
        assert await prisma.fetchval("SELECT count(*) FROM game_keys WHERE key LIKE 'AAAAA%'") == 2
