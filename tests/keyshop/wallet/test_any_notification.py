"""No notification, however it is made up, credits an amount that no top-up has."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import ShopError
from keyshop.wallet.models import TopUp
from tests.factories.payments import begin, intent_of, notify
from tests.factories.wallet import balance_of, ledger_of, make_customer
from tests.servers import Postgres, copied_database

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_AMOUNTS = [Decimal("25.00"), Decimal("0.01"), Decimal("999.99")]

_scalars: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from([*_AMOUNTS, 25, "25.00", "EUR", "PLN", "completed", "failed"])
)
_values = _scalars | st.lists(_scalars, max_size=2)


@st.composite
def _bodies(draw: st.DrawFn, top_ups: list[TopUp]) -> bytes:
    """Return a notification that a top-up was paid, with up to two other fields."""
    top_up = draw(st.sampled_from(top_ups))
    told = {
        "intentId": top_up.id,
        "status": "completed",
        "transactionId": draw(st.sampled_from(["pay-1", "pay-2", "pay-3", "pay-4"])),
        "amount": top_up.amount,
        "currency": "EUR",
    }
    wrong = st.dictionaries(st.sampled_from([*told, "email", "hash"]), _values, max_size=2)
    body = _ENCODER.encode(told | draw(wrong))
    cut = draw(st.integers(0, 9))  # one in ten arrives broken
    return body[:-1] if cut == 9 else body


class TestAnyNotification:
    @settings(max_examples=5, deadline=None)
    @given(data=st.data())
    def test_credits_only_what_a_top_up_has(
        self, postgres_server: Postgres, template_database: str, data: st.DataObject
    ) -> None:
        asyncio.run(_check(postgres_server, template_database, data))


async def _check(server: Postgres, template: str, data: st.DataObject) -> None:
    async with copied_database(server, template) as url:
        db = Database(url, guard=RedisCommitGuard(None))
        await db.open()
        try:
            customer = await make_customer(db, "0")
            top_ups = [await begin(db, customer, amount) for amount in _AMOUNTS]
            bodies = st.lists(_bodies(top_ups), min_size=8, max_size=25)
            for body in data.draw(bodies):
                try:
                    await notify(db, body)
                except ShopError:
                    continue
            paid = [
                intent["amount"]
                for intent in [await intent_of(db, top_up) for top_up in top_ups]
                if intent["state"] == "completed"
            ]
            credited = [row["amount"] for row in await ledger_of(db, customer)]
            assert sorted(credited) == sorted(paid)
            assert await balance_of(db, customer) == sum(paid)
        finally:
            await db.close()
