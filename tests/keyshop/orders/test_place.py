"""What placing an order stores, and what it does beside other programs and other orders."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from keyshop.accounts.erase_user import erase_user
from keyshop.keys.settings import KeyStorage, Vault
from keyshop.kit.cache.passthrough import PassThrough
from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import ShopError
from keyshop.kit.high_water_mark import HighWaterMark, read_marks
from keyshop.kit.ids import new_id
from keyshop.orders.dependencies import OrderParts
from keyshop.orders.errors import (
    CustomerNotFound,
    GameOutOfStock,
    GamesNotFound,
    KeysUnreadable,
    OrderTooLarge,
)
from keyshop.orders.models import BuyingPolicy, RequestedItem
from keyshop.orders.place import Placed, PlaceRequest, place_order
from keyshop.orders.show_order import OrderReader, show_order
from keyshop.wallet.errors import InsufficientBalance
from tests.factories.baskets import data_of
from tests.factories.games import NOON
from tests.factories.orders import rows_of, stock_game, violations
from tests.factories.promos import make_promo
from tests.factories.vault import make_game_with_keys, make_ring, make_vault
from tests.factories.wallet import balance_of, make_customer

NOW = utc_now().replace(microsecond=0)

_COUNTS = """
    SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM order_items),
        (SELECT count(*) FROM keyshop.order_units), (SELECT count(*) FROM keyshop.order_events),
        (SELECT count(*) FROM keyshop.idempotency),
        (SELECT count(*) FROM keyshop.vault_keys WHERE state <> 'free'),
        (SELECT seq FROM keyshop.buying_state)
"""
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


async def place(
    db: Database, parts: OrderParts, user_id: str, items: dict[str, int], **overrides: Any
) -> Placed:
    now = overrides.pop("now", NOW)
    request = PlaceRequest(
        user_id=user_id,
        family_id="a device",
        items=[RequestedItem(game_id=game, quantity=number) for game, number in items.items()],
        **{"idempotency_key": new_id()} | overrides,
    )
    return await place_order(db, parts, request, now=now)


async def show(db: Database, vault: Vault, order_id: str, user_id: str) -> Any:
    reader = OrderReader(db=db, cache=PassThrough(), vault=vault)
    return await data_of(show_order(reader, order_id=order_id, user_id=user_id, now=NOW))


async def for_sale(db: Database, keys: int = 0, **columns: Any) -> str:
    """Store a game that the supplier has, with that many own keys."""
    product: dict[str, Any] = {"g2aProductId": new_id(), "g2aStock": True}
    return await stock_game(db, keys, **(product | columns))


class TestPlacedOrder:
    async def test_of_own_keys_goes_through_its_states_at_once(
        self, db: Database, parts: OrderParts, alice: str
    ):
        game = await stock_game(db, 2)

        placed = await place(db, parts, alice, {game: 2})

        events = await rows_of(
            db,
            "SELECT kind, actor, unit_id IS NULL FROM keyshop.order_events"
            " WHERE order_id = $1 ORDER BY id",
            placed.order_id,
        )
        assert events == [
            ("order.placed", "customer", True),
            ("unit.delivered", "customer", False),
            ("unit.delivered", "customer", False),
            ("order.processing", "customer", True),
            ("order.completed", "customer", True),
        ]
        order = placed.order_id
        assert await rows_of(
            db,
            "SELECT DISTINCT state, version, next_at IS NULL, finished_at, price, charged"
            " FROM keyshop.order_units WHERE order_id = $1",
            order,
        ) == [("DELIVERED", 1, True, NOW, Decimal("10.00"), Decimal("10.00"))]
        assert await rows_of(
            db,
            "SELECT user_id, family_id, promo_id, placed_at FROM keyshop.placed_orders"
            " WHERE order_id = $1",
            order,
        ) == [(alice, "a device", None, NOW)]

    async def test_of_the_suppliers_keys_is_under_way_and_its_units_are_due(
        self, db: Database, parts: OrderParts, alice: str
    ):
        game = await for_sale(db)

        placed = await place(db, parts, alice, {game: 2})

        assert await rows_of(
            db,
            'SELECT status, "paymentStatus", "completedAt" FROM orders WHERE id = $1',
            placed.order_id,
        ) == [("PROCESSING", "COMPLETED", None)]
        assert await rows_of(
            db,
            "SELECT state, next_at, count(*) FROM keyshop.order_units WHERE user_id = $1"
            " GROUP BY 1, 2",
            alice,
        ) == [("OPEN", NOW, 2)]
        assert (placed.seq, placed.keys) == (None, {})
        assert await balance_of(db, alice) == Decimal("80.00")

    async def test_takes_own_keys_first_and_leaves_the_rest_open(
        self, db: Database, parts: OrderParts, alice: str
    ):
        game = await for_sale(db, 2)

        placed = await place(db, parts, alice, {game: 3})

        assert len(placed.keys) == 2
        assert await rows_of(
            db,
            "SELECT state, count(*) FROM keyshop.order_units WHERE user_id = $1"
            " GROUP BY 1 ORDER BY 1",
            alice,
        ) == [("DELIVERED", 2), ("OPEN", 1)]
        assert await rows_of(db, 'SELECT status FROM orders WHERE "userId" = $1', alice) == [
            ("PROCESSING",)
        ]
        # The supplier still has it.
        assert await rows_of(db, 'SELECT "inStock" FROM games WHERE id = $1', game) == [(True,)]
        assert await violations(db) == []

    @pytest.mark.parametrize(
        "columns",
        [
            {"g2aProductId": None},
            {"g2aStock": False},
            {"releaseDate": NOW + timedelta(milliseconds=1)},
        ],
    )
    async def test_is_refused_for_keys_that_the_supplier_does_not_sell(
        self, db: Database, parts: OrderParts, alice: str, columns: dict[str, Any]
    ):
        game = await for_sale(db, 1, **columns)

        with pytest.raises(GameOutOfStock):
            await place(db, parts, alice, {game: 2})
        closed = replace(parts, policy=BuyingPolicy())
        with pytest.raises(GameOutOfStock):
            await place(db, closed, alice, {await for_sale(db): 1})

    async def test_raises_the_mark_of_its_process(
        self, db: Database, parts: OrderParts, alice: str, tmp_path: Path
    ):
        game, bought = await stock_game(db, 3), await for_sale(db)
        [(before,)] = await rows_of(db, "SELECT seq FROM keyshop.buying_state")
        for items in ({game: 2}, {bought: 1}, {game: 1}):
            await place(db, parts, alice, items)

        marks = read_marks(tmp_path / "marks")

        [(seq,)] = await rows_of(db, "SELECT seq FROM keyshop.buying_state")
        assert seq == before + 2
        assert [mark.seq for mark in marks] == [seq]

    async def test_is_answered_though_the_mark_cannot_be_written(
        self, db: Database, parts: OrderParts, alice: str, tmp_path: Path
    ):
        game = await stock_game(db, 1)
        nowhere = HighWaterMark(tmp_path / "missing" / "one.mark", identity="this")

        placed = await place(db, replace(parts, mark=nowhere), alice, {game: 1})

        assert len(placed.keys) == 1

    async def test_of_plain_stored_keys_shows_them_too(
        self, db: Database, parts: OrderParts, alice: str
    ):
        plain = await make_vault(db, storage=KeyStorage.PLAIN)
        game = await make_game_with_keys(db, plain, 1)

        placed = await place(db, replace(parts, vault=plain), alice, {game: 1})
        shown = await show(db, plain, placed.order_id, alice)

        assert [text.reveal() for text in placed.keys.values()] == [f"{game}-00000"]
        assert [key["key"] for key in shown["keys"]] == [f"{game}-00000"]


class TestRefusedOrder:
    async def test_leaves_nothing_behind(self, db: Database, parts: OrderParts, alice: str):
        game = await stock_game(db, 5)
        poor = await make_customer(db, "9.99")
        before = await rows_of(db, _COUNTS)
        other_ring = Vault(ring=make_ring(2), fingerprint_key=parts.vault.fingerprint_key)
        attempts: list[tuple[type[ShopError], OrderParts, str, dict[str, int]]] = [
            (InsufficientBalance, parts, poor, {game: 1}),
            (GameOutOfStock, parts, alice, {game: 6}),
            (GamesNotFound, parts, alice, {game: 1, "no-such-game": 1}),
            (CustomerNotFound, parts, "no-such-user", {game: 1}),
            (KeysUnreadable, replace(parts, vault=other_ring), alice, {game: 1}),
        ]

        for refusal, of_shop, user_id, items in attempts:
            with pytest.raises(refusal):
                await place(db, of_shop, user_id, items)

        assert await rows_of(db, _COUNTS) == before
        assert await balance_of(db, alice) == Decimal("100.00")

    async def test_is_one_that_costs_more_than_an_order_can_hold(
        self, db: Database, parts: OrderParts, alice: str
    ):
        game = await stock_game(db, 2, price="50000000.00")
        promo = await make_promo(db, discount=Decimal(100))

        with pytest.raises(OrderTooLarge):
            await place(db, parts, alice, {game: 2}, promo_code=promo.code)

    async def test_is_any_of_an_erased_customer(self, db: Database, parts: OrderParts, alice: str):
        game = await stock_game(db, 1)
        async with db.transaction() as tx:
            await erase_user(tx, user_id=alice, by="olga", now=NOW)

        with pytest.raises(CustomerNotFound):
            await place(db, parts, alice, {game: 1})

    async def test_is_one_of_keys_that_another_program_took(
        self, db: Database, parts: OrderParts, alice: str
    ):
        game, other = await stock_game(db, 1), await stock_game(db, 1)
        async with db.transaction() as tx:
            await tx.execute('UPDATE game_keys SET activated = true WHERE "gameId" = $1', game)
            await tx.execute('DELETE FROM game_keys WHERE "gameId" = $1', other)

        for taken in (game, other):
            with pytest.raises(GameOutOfStock):
                await place(db, parts, alice, {taken: 1})


class TestOrderOfAnotherProgram:
    async def test_is_shown_as_it_is(self, db: Database, vault: Vault, alice: str):
        game = await stock_game(db, 0)
        async with db.transaction() as tx:
            await tx.execute(
                'INSERT INTO orders (id, "userId", status, subtotal, discount, total, "createdAt")'
                " VALUES ('old', $1, 'PENDING', 'NaN', 0, 12.5, $2)",
                alice,
                NOON,
            )
            await tx.execute(
                'INSERT INTO order_items (id, "orderId", "gameId", quantity, price)'
                " VALUES ('item', 'old', $1, -2, 'NaN')",
                game,
            )
            await tx.execute(
                'INSERT INTO game_keys (id, "gameId", key, "orderId", activated, "activationDate")'
                " VALUES ('key', $1, 'OLD-KEY', 'old', true, $2)",
                game,
                NOON,
            )

        shown = await show(db, vault, "old", alice)

        assert (shown["status"], shown["subtotal"], shown["total"]) == ("PENDING", 0, 12.5)
        assert not shown.keys() & {"paymentMethod", "paymentStatus", "promoCode", "completedAt"}
        [item] = shown["items"]
        assert (item["quantity"], item["price"], item["refunded"]) == (-2, 0, 0)
        assert shown["keys"] == [
            {"id": "key", "gameId": game, "key": "OLD-KEY", "activated": True,
             "activationDate": "2026-06-15T12:00:00.000Z", "revoked": False},
        ]  # fmt: skip


class TestKeyOfAnOrder:
    async def test_stays_visible_where_another_program_deletes_or_takes_its_row(
        self, db: Database, parts: OrderParts, alice: str
    ):
        game = await stock_game(db, 3)
        placed = await place(db, parts, alice, {game: 3})
        gone, moved, _ = sorted(placed.keys)
        async with db.transaction() as tx:
            await tx.execute("DELETE FROM game_keys WHERE id = $1", gone)
            await tx.execute('UPDATE game_keys SET "orderId" = NULL WHERE id = $1', moved)

        shown = await show(db, parts.vault, placed.order_id, alice)

        assert {key["id"]: key["key"] for key in shown["keys"]} == {
            key_id: text.reveal() for key_id, text in placed.keys.items()
        }


class TestParallelOrders:
    async def test_of_mixed_games_beside_a_sync_never_deadlock(
        self, db: Database, parts: OrderParts
    ):
        games = [await stock_game(db, 12, "1.00") for _ in range(3)]
        people = [await make_customer(db, "100.00") for _ in range(8)]
        before, known = await rows_of(db, _DEADLOCKS), await violations(db)
        chance = Random(12)

        async def buy(person: str) -> int:
            bought = 0
            for _ in range(5):
                wanted = dict.fromkeys(chance.sample(games, chance.randint(1, 3)), 1)
                try:
                    await place(db, parts, person, wanted)
                except GameOutOfStock:
                    continue
                bought += len(wanted)
            return bought

        async def synchronise() -> None:
            for _ in range(20):
                async with db.transaction() as tx:
                    await tx.fetch(
                        "SELECT id FROM games WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
                        games,
                    )
                    await tx.execute("UPDATE games SET price = price WHERE id = ANY($1)", games)

        *bought, _ = await asyncio.gather(*(buy(person) for person in people), synchronise())

        [(sold,)] = await rows_of(
            db,
            "SELECT count(*) FROM keyshop.vault_keys WHERE state = 'delivered' AND game_id = ANY($1)",
            games,
        )
        assert sum(filter(None, bought)) == sold <= 36
        assert await rows_of(db, _DEADLOCKS) == before
        assert await violations(db) == known
