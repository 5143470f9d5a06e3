"""Jobs that write to a job_log, and the shop in which they run."""

import asyncio
import os
import time
from datetime import datetime, timedelta
from typing import ClassVar, Final

from msgspec import Struct, field

from keyshop.accounts.dependencies import AccountServices
from keyshop.accounts.passwords import PasswordPool
from keyshop.entrypoints.worker.handlers import handler
from keyshop.entrypoints.worker.limits import WorkerLimits
from keyshop.entrypoints.worker.shop import WorkerShop
from keyshop.kit.database.errors import DatabaseUnavailable
from keyshop.kit.database.pool import Database
from keyshop.kit.jobs import Job
from keyshop.mail.protocol import Mail, Mailer, MailUnavailable
from keyshop.orders.dependencies import OrderParts
from keyshop.supplier.errors import SupplierUnavailable
from tests.factories.customers import make_account_services
from tests.factories.order_parts import order_parts

SHORT_LEASE: Final = WorkerLimits(
    lease=timedelta(seconds=2.5), poll_interval=timedelta(seconds=0.6)
)


class NoMailer:
    """A mailer without a mail server."""

    async def send(self, mail: Mail) -> None:
        raise MailUnavailable("There is no mail server here.")


class ProbeShop(Struct):
    """A shop with a database and little else."""

    db: Database
    database_url: str
    mailer: Mailer = field(default_factory=NoMailer)
    accounts: AccountServices = field(
        default_factory=lambda: make_account_services(PasswordPool(threads=1, cost=4))
    )
    orders: OrderParts = field(default_factory=order_parts)
    public_url: str = "https://shop.example"

    async def run_full_sync(self) -> None:
        await write(self, "full sync")

    async def run_stock_check(self) -> None:
        await write(self, "stock check")


class Note(Job, frozen=True):
    name: ClassVar[str] = "test.note"
    text: str


class Ticked(Job, frozen=True):
    name: ClassVar[str] = "test.ticked"
    due_at: datetime


class Linger(Job, frozen=True):
    """Takes this long, and notes when it is cancelled."""

    name: ClassVar[str] = "test.linger"
    seconds: float


class Stumble(Job, frozen=True):
    """Finds the supplier unavailable the first time."""

    name: ClassVar[str] = "test.stumble"
    text: str


class Break(Job, frozen=True):
    """Raises an unexpected error until `repaired` stands in the job_log."""

    name: ClassVar[str] = "test.break"


class Block(Job, frozen=True):
    """Blocks the whole process for longer than the lease, the first time."""

    name: ClassVar[str] = "test.block"
    block_seconds: float
    linger_seconds: float


async def on_note(shop: WorkerShop, job: Note) -> None:
    await write(shop, job.text)


async def on_ticked(shop: WorkerShop, job: Ticked) -> None:
    await write(shop, f"due {job.due_at.isoformat()}")


async def on_linger(shop: WorkerShop, job: Linger) -> None:
    await write(shop, "began")
    try:
        await asyncio.sleep(job.seconds)
    except asyncio.CancelledError:
        await _write_at_last(shop, "stopped")
        raise
    await write(shop, "ended")


async def on_stumble(shop: WorkerShop, job: Stumble) -> None:
    await write(shop, job.text)
    if len(await read_job_log(shop.db)) == 1:
        raise SupplierUnavailable("G2A does not answer.")


async def on_break(shop: WorkerShop, job: Break) -> None:
    if "repaired" not in await read_job_log(shop.db):
        raise ValueError("The world is broken.")
    await write(shop, job.name)


async def on_block(shop: WorkerShop, job: Block) -> None:
    await write(shop, "began")
    if (await read_job_log(shop.db)).count("began") == 1:
        time.sleep(job.block_seconds)  # noqa: ASYNC251 — this is the fault under test
        return
    await asyncio.sleep(job.linger_seconds)
    await write(shop, "ended")


HANDLERS = (
    handler(Note, on_note),
    handler(Ticked, on_ticked),
    handler(Linger, on_linger),
    handler(Stumble, on_stumble),
    handler(Break, on_break),
    handler(Block, on_block),
)


async def make_job_log(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute("CREATE TABLE job_log (id serial PRIMARY KEY, note text, pid int)")


async def write(shop: WorkerShop, note: str) -> None:
    async with shop.db.transaction() as tx:
        await tx.execute("INSERT INTO job_log (note, pid) VALUES ($1, $2)", note, os.getpid())


async def _write_at_last(shop: WorkerShop, note: str) -> None:
    # What stopped the job may have cut the pool's idle connections as well.
    while True:
        try:
            return await write(shop, note)
        except DatabaseUnavailable:
            await asyncio.sleep(0.01)


async def read_job_log(db: Database) -> list[str]:
    async with db.read() as reader:
        return [row["note"] for row in await reader.fetch("SELECT note FROM job_log ORDER BY id")]
