"""How operators name an order."""

import pytest

from keyshop.kit.database.pool import Database
from keyshop.orders.errors import OrderNotFound, SeveralOrders
from keyshop.orders.get_order_id import get_order_id
from tests.factories.wallet import make_customer


async def _add(db: Database, user_id: str, *order_ids: str) -> None:
    async with db.transaction() as tx:
        for order_id in order_ids:
            await tx.execute(
                'INSERT INTO orders (id, "userId", status, subtotal, total)'
                " VALUES ($1, $2, 'COMPLETED', 5, 5)",
                order_id,
                user_id,
            )


class TestGetOrderId:
    async def test_finds_an_order_by_its_id_or_its_first_eight_characters(self, db: Database):
        await _add(db, await make_customer(db), "ab%defgh-1", "ab_defgh-1", "short", "12345678")
        await _add(db, await make_customer(db), "12345678-longer")

        async with db.read() as reader:
            for text, found in {
                "ab%defgh": "ab%defgh-1",
                "AB_DEFGH-": "ab_defgh-1",
                "#ab_defgh": "ab_defgh-1",
                " short ": "short",
                "12345678": "12345678",  # its own id, though another one begins so
            }.items():
                assert await get_order_id(reader, text) == found

    async def test_refuses_what_names_none_or_several(self, db: Database):
        await _add(db, await make_customer(db), "same-beginning-1", "same-beginning-2", "other")

        async with db.read() as reader:
            for text in ("", "#", "same", "othe", "same-beginnings", "%%%%%%%%", "\0" * 8):
                with pytest.raises(OrderNotFound):
                    await get_order_id(reader, text)
            with pytest.raises(SeveralOrders, match="same-beginning-1, same-beginning-2"):
                await get_order_id(reader, "same-beg")
