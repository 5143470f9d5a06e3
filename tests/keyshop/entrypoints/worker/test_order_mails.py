"""Mails about orders, from the order to a working or failing mail server, and no key on the way."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from keyshop.accounts.erase_user import erase_user
from keyshop.accounts.models import Account
from keyshop.entrypoints.worker.mail import HANDLERS, on_order_mail
from keyshop.kit.clock import utc_now
from keyshop.orders.jobs import MailOrder
from keyshop.orders.models import RequestedItem
from keyshop.orders.place import PlaceRequest, place_order
from tests.factories.customers import select_rows
from tests.factories.jobs import ProbeShop
from tests.factories.orders import stock_game
from tests.factories.sessions import add_user
from tests.factories.wallet import give
from tests.keyshop.entrypoints.worker.conftest import Working, until
from tests.keyshop.entrypoints.worker.test_mail import is_dead, is_empty, text_of
from tests.keyshop.gateways.mail.mail_server import MailServer, serve
from tests.keyshop.gateways.mail.mails import mailer_at


class Bought:
    """Alice's order of two keys, which were delivered at once, and its mail, which waits."""

    def __init__(self, alice: Account, order_id: str, keys: list[str]) -> None:
        self.alice = alice
        self.order_id = order_id
        self.keys = keys
        self.job = MailOrder(order_id=order_id, kind="final")


@pytest_asyncio.fixture
async def bought(shop: ProbeShop) -> Bought:
    alice = await add_user(shop.db)
    await give(shop.db, alice.id, "100.00")
    game = await stock_game(shop.db, 2, title="Witch Hunt")
    item = RequestedItem(game_id=game, quantity=2)
    request = PlaceRequest(user_id=alice.id, family_id="device", items=[item])
    placed = await place_order(shop.db, shop.orders, request, now=utc_now())
    return Bought(alice, placed.order_id, [f"{game}-00000", f"{game}-00001"])


@contextmanager
def no_keys_in_logs(bought: Bought) -> Iterator[None]:
    with capture_logs() as logs:
        yield
    assert logs
    assert not [key for key in bought.keys if key in str(logs)]
    assert bought.alice.email not in str(logs)


async def everything_stored(shop: ProbeShop) -> str:
    """Return every row that is kept about jobs and mails."""
    tables = ("pgqueuer", "pgqueuer_log", "sent_mails", "order_events", "journal")
    statements = [f"SELECT t::text FROM keyshop.{table} AS t" for table in tables]
    statements.append("SELECT convert_from(payload, 'UTF8') FROM keyshop.pgqueuer")
    return str([[row[0] for row in await select_rows(shop.db, sql)] for sql in statements])


class TestOrderMail:
    async def test_brings_the_keys_and_leaves_none_behind(
        self, shop: ProbeShop, working: Working, bought: Bought, caplog: pytest.LogCaptureFixture
    ):
        server = MailServer()
        caplog.set_level(logging.DEBUG)

        with no_keys_in_logs(bought):
            assert not [key for key in bought.keys if key in await everything_stored(shop)]
            async with serve(server) as port, working(handlers=HANDLERS):
                shop.mailer = mailer_at(port)
                await until(lambda: is_empty(shop.db))

        [mail] = server.mails
        assert server.recipients == [bought.alice.email]
        assert mail["Subject"] == f"The keys of your order {bought.order_id[:8]}"
        for key in bought.keys:
            assert f"    {key}" in text_of(mail).splitlines()
        # All but those of the mail server itself.
        lines = [record.getMessage() for record in caplog.records if record.name != "mail.log"]
        assert not [key for key in bought.keys if key in str(lines)]
        stored = await everything_stored(shop)
        assert f"order-{bought.order_id}-final" in stored
        assert not [key for key in bought.keys if key in stored]

    async def test_is_sent_once_when_its_job_runs_twice(self, shop: ProbeShop, bought: Bought):
        server = MailServer()

        async with serve(server) as port:
            shop.mailer = mailer_at(port)
            for _ in range(3):
                await on_order_mail(shop, bought.job)

        assert len(server.mails) == 1

    async def test_that_is_refused_is_a_dead_letter_without_keys(
        self, shop: ProbeShop, working: Working, bought: Bought
    ):
        server = MailServer()
        server.data_answers = [f"554 5.7.1 <{bought.alice.email}> no {bought.keys[0]}"]

        with no_keys_in_logs(bought):
            async with serve(server) as port, working(handlers=HANDLERS):
                shop.mailer = mailer_at(port)
                await until(lambda: is_dead(shop.db))

        stored = await everything_stored(shop)
        assert not [key for key in bought.keys if key in stored]
        assert bought.alice.email not in stored

    async def test_is_not_sent_to_an_erased_account(
        self, shop: ProbeShop, working: Working, bought: Bought
    ):
        server = MailServer()
        async with shop.db.transaction() as tx:
            await erase_user(tx, user_id=bought.alice.id, by="olga", now=utc_now())

        async with serve(server) as port, working(handlers=HANDLERS):
            shop.mailer = mailer_at(port)
            await until(lambda: is_empty(shop.db))

        assert server.connections == 0
