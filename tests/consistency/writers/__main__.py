"""A process that writes until it is terminated; its only argument is a `WriterConfig` in JSON."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

import asyncpg
import msgspec
import structlog
import uvloop

from keyshop.assembly import Shop
from keyshop.entrypoints.cli.parent import exit_with_parent
from keyshop.entrypoints.cli.session import shop
from keyshop.kit.database.errors import CONNECTION_UNUSABLE
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import ShopError
from tests.consistency.keys import Kind
from tests.consistency.records import WriteLog
from tests.consistency.writers.buyers import BuyerWriter
from tests.consistency.writers.config import WriterConfig, Writing
from tests.consistency.writers.foreign import ForeignWriter
from tests.consistency.writers.foreign_buyers import ForeignBuyerWriter
from tests.consistency.writers.foreign_persons import ForeignPersonWriter
from tests.consistency.writers.guests import GuestWriter
from tests.consistency.writers.merge import MergeWriter
from tests.consistency.writers.persons import PersonWriter
from tests.consistency.writers.slots import SlotWriter
from tests.consistency.writers.sync import SyncWriter

# The errors that the checker's faults cause in a writer; any other error ends the process.
_EXPECTED = (ShopError, *CONNECTION_UNUSABLE, asyncpg.PostgresError)
_RETRY_DELAY = 0.1  # seconds

_log = structlog.get_logger(__name__)


class _Writer(Protocol):
    async def write(self) -> None: ...


_OUTSIDE: Final[Mapping[Kind, Callable[[Writing], _Writer]]] = {
    Kind.FOREIGN: ForeignWriter,
    Kind.FOREIGN_PERSON: ForeignPersonWriter,
    Kind.FOREIGN_BUYER: ForeignBuyerWriter,
}
_INSIDE: Final[Mapping[Kind, Callable[[Writing, Database], _Writer]]] = {
    Kind.SHOP: MergeWriter,
    Kind.BULK: MergeWriter,
    Kind.SLOT: SlotWriter,
    Kind.PERSON: PersonWriter,
    Kind.GUEST: GuestWriter,
}


@asynccontextmanager
async def _writer(writing: Writing) -> AsyncIterator[_Writer]:
    outside = _OUTSIDE.get(writing.config.kind)
    if outside is not None:
        yield outside(writing)
        return
    async with shop() as parts:
        yield _inside(writing, parts)


def _inside(writing: Writing, parts: Shop) -> _Writer:
    if writing.config.kind is Kind.SYNC:
        return SyncWriter(writing, parts)
    if writing.config.kind is Kind.BUYER:
        return BuyerWriter(writing, parts.db, parts.orders)
    return _INSIDE[writing.config.kind](writing, parts.db)


async def _write(config: WriterConfig) -> None:
    writing = Writing(config, WriteLog(Path(config.log)))
    while True:
        try:
            async with _writer(writing) as writer:
                await _keep_writing(writing, writer)
        except _EXPECTED as error:
            _log.warning("writer.could_not_start", reason=str(error), kind=type(error).__name__)
            await asyncio.sleep(_RETRY_DELAY)


async def _keep_writing(writing: Writing, writer: _Writer) -> None:
    while True:
        await asyncio.sleep(writing.dice.expovariate(writing.config.per_second))
        try:
            await writer.write()
        except _EXPECTED as error:
            _log.warning("writer.failed", reason=str(error), kind=type(error).__name__)
            await asyncio.sleep(_RETRY_DELAY)


def main() -> None:
    """Write as the configuration says."""
    exit_with_parent(os.getppid())
    uvloop.run(_write(msgspec.json.decode(sys.argv[1], type=WriterConfig)))


if __name__ == "__main__":
    main()
