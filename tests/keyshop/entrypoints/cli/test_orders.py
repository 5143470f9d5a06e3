"""`keyshop orders ...`: customers' orders from the command line."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import pytest_asyncio

from keyshop.entrypoints.cli.os_user import get_os_user
from keyshop.kit.database.pool import Database
from keyshop.orders.cancel import cancel_own_order
from tests.factories.changed_orders import OrderDesk, open_desk
from tests.factories.customers import jobs
from tests.factories.games import NOON
from tests.factories.wallet import balance_of, make_customer
from tests.keyshop.entrypoints.cli.shop_process import run_keyshop

# Each command is a process of its own.
pytestmark = pytest.mark.slow

# Those of `make_vault`.
_KEYS = f"1:{b64encode(bytes([1]) * 32).decode()}"

Run = Callable[..., Awaitable[CompletedProcess[str]]]


@pytest.fixture
def run(home: Path, database_url: str) -> Run:
    """Run a command of `keyshop orders` on this test's own database."""

    async def orders(*words: str) -> CompletedProcess[str]:
        return await asyncio.to_thread(
            run_keyshop,
            "orders",
            *words,
            home=home,
            DATABASE_URL=database_url,
            CACHE_MODE="off",
            KEY_ENCRYPTION_KEYS=_KEYS,
            COLUMNS=200,
        )

    return orders


@pytest_asyncio.fixture
async def desk(db: Database, tmp_path: Path) -> OrderDesk:
    return await open_desk(db, tmp_path / "marks")


def _refusal(command: CompletedProcess[str]) -> str:
    assert command.returncode == 1, command.stdout
    return command.stderr.splitlines()[-1]


def _read(command: CompletedProcess[str]) -> Any:
    assert command.returncode == 0, command.stderr
    return json.loads(command.stdout)


class TestOrders:
    async def test_are_refunded_unit_by_unit_and_shown_with_all_that_happened(
        self, db: Database, desk: OrderDesk, run: Run
    ):
        alice = await make_customer(db, "100.00", "alice")
        order_id = await desk.place(alice, {await desk.add_game(keys=1, title="Portal"): 2})
        unit = (await desk.list_units(order_id))[0]

        async with db.transaction() as tx:
            await tx.execute(
                "INSERT INTO keyshop.sent_mails (id, sent_at) VALUES ($1, $3), ($2, $3)",
                f"order-{order_id}-placed",
                f"order-{unit.id}-placed",
                NOON,
            )

        refunded = await run(
            "refund", order_id[:8].upper(), "--unit", unit.id[:8], "--reason", "no key", "--json"
        )
        again = await run("refund", order_id, "--unit", unit.id, "--reason", "no key")
        shown, printed = await run("show", order_id[:8], "--json"), await run("show", order_id)

        assert _read(refunded)["amount"] == 10.0
        assert await balance_of(db, alice) == Decimal("90.00")
        assert _refusal(again) == "keyshop: This unit was refunded already."
        report = _read(shown)
        assert report["order"]["refunded"] == 10.0
        [of_unit] = [each for each in report["units"] if each["id"] == unit.id]
        assert (of_unit["title"], of_unit["refund_reason"], of_unit["refunded_by"]) == (
            "Portal",
            "no key",
            get_os_user(),
        )
        found = {(entry["kind"], entry["what"]) for entry in report["timeline"]}
        assert {
            ("event", "order.placed"),
            ("event", "order.processing"),
            ("event", "unit.delivered"),
            ("event", "unit.refunded"),
            ("ledger", "PURCHASE"),
            ("ledger", "REFUND"),
            ("mail", f"order-{order_id}-placed"),
        } <= found
        assert ("mail", f"order-{unit.id}-placed") not in found
        assert ("job", "mail_order") in found or ("job", "mail_unit_refunded") in found
        assert [entry["action"] for entry in report["journal"]] == ["orders.refund"]
        assert printed.returncode == 0
        for text in (order_id, "alice@example.com", "unit.refunded", "no key", "Portal"):
            assert text in printed.stdout

    async def test_are_listed_with_those_that_another_program_left_open(
        self, db: Database, desk: OrderDesk, run: Run
    ):
        alice = await make_customer(db)
        open_ = await desk.place(alice, {await desk.add_game(): 1})
        final = await desk.place(alice, {await desk.add_game(keys=1): 1})
        async with db.transaction() as tx:
            await tx.execute(
                'INSERT INTO orders (id, "userId", status, subtotal, total)'
                " VALUES ('legacy-open', $1, 'PENDING', 'NaN', 'NaN'),"
                " ('legacy-done', $1, 'COMPLETED', 5, 5)",
                alice,
            )

        everything, of_others = (
            await run("list", "--json"),
            await run("list", "--open", "--foreign"),
        )

        ids = {order["id"] for order in _read(everything)["orders"]}
        assert ids == {open_, final, "legacy-open", "legacy-done"}
        assert "legacy-o" in of_others.stdout
        for other in (open_[:8], final[:8], "legacy-d"):
            assert other not in of_others.stdout

    async def test_are_cancelled_as_their_customers_may(
        self, db: Database, desk: OrderDesk, run: Run
    ):
        alice = await make_customer(db)
        order_id = await desk.place(alice, {await desk.add_game(): 3})
        final = await desk.place(alice, {await desk.add_game(): 1})
        await cancel_own_order(db, final, user_id=alice, now=NOON)

        cancelled = await run("cancel", f"#{order_id[:8]}", "--reason", "fraud")
        again = await run("cancel", order_id, "--reason", "fraud")
        unreasoned = await run("refund", order_id, "--reason", " ")

        assert cancelled.returncode == 0, cancelled.stderr
        assert "Refunded 30.00 EUR" in cancelled.stdout
        assert f"Order {order_id} is CANCELLED." in cancelled.stdout
        assert _refusal(again) == "keyshop: This order can no longer be cancelled."
        assert _refusal(unreasoned) == "keyshop: The reason must have 1 to 500 characters."
        assert await balance_of(db, alice) == Decimal("100.00")

    async def test_are_mailed_again(self, db: Database, desk: OrderDesk, run: Run):
        order_id = await desk.place(await make_customer(db), {await desk.add_game(keys=1): 1})

        printed = await run("resend", order_id[:8])
        again = await run("resend", order_id, "--json")
        unknown = await run("resend", "00000000")

        assert printed.stdout == f"The worker sends the final mail of order {order_id} again.\n"
        assert _read(again) == {"order_id": order_id, "mail": "final", "copy": 2}
        assert unknown.returncode == 1
        waiting = [fields for name, fields in await jobs(db) if name == "mail_order"]
        assert [str(job.get("copy")) for job in waiting] == ["None", "1", "2"]
