"""Orders over HTTP: paid from the balance, delivered from own stock, all or nothing."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

import httpx2
import pytest

from keyshop.kit.cache.guard import RedisCommitGuard
from keyshop.kit.database.pool import Database
from keyshop.orders.answers import KeyInOrder
from tests.factories.api_app import make_app
from tests.factories.browsers import Person, message_of, open_browser
from tests.factories.customers import lost_after_commit
from tests.factories.games import make_game
from tests.factories.orders import (
    forget_click,
    make_buyer,
    order,
    pay_in,
    placed,
    rows_of,
    stock_game,
    traces,
    violations,
)
from tests.factories.promos import make_promo
from tests.factories.wallet import balance_of, ledger_of, set_balance

QUANTITY = "Quantity must be a whole number from 1 to 99"


def normal(shown: Any, **known: str) -> Any:
    """Return the answer with ids and times replaced by names."""
    names = {text: name for name, text in known.items()}
    if isinstance(shown, dict):
        return {
            key: "…" if key in {"createdAt", "completedAt"} else normal(value, **known)
            for key, value in shown.items()
        }
    if isinstance(shown, list):
        return [normal(part, **known) for part in shown]
    return names.get(shown, shown) if isinstance(shown, str) else shown


async def elsewhere(request: Coroutine[None, None, httpx2.Response]) -> httpx2.Response:
    """Send a request outside the transaction that is open here."""
    return await asyncio.create_task(request, context=Context())


class TestOrder:
    async def test_is_paid_from_the_balance_and_answered_with_its_keys(
        self, stocked: Database, alice: Person
    ):
        game = await stock_game(stocked, 3, "19.99", title="Witch Hunt", slug="witch-hunt")
        await pay_in(stocked, alice, "50.00")

        shown = await placed(alice, {game: 2})

        key_ids = [key["id"] for key in shown["keys"]]
        item_id = shown["items"][0]["id"]
        texts = [key["key"] for key in shown["keys"]]
        assert len(set(texts)) == 2
        assert all(text.startswith(f"{game}-0000") for text in texts)
        assert normal(shown, game=game, alice=alice.id, order=shown["id"], item=item_id) == {
            "id": "order", "userId": "alice", "status": "COMPLETED",
            "subtotal": 39.98, "discount": 0, "total": 39.98, "refunded": 0,
            "paymentMethod": "balance", "paymentStatus": "COMPLETED",
            "createdAt": "…", "completedAt": "…",
            "items": [{
                "id": "item", "gameId": "game", "quantity": 2, "price": 19.99, "discount": 0,
                "refunded": 0,
                "game": {
                    "id": "game", "title": "Witch Hunt", "slug": "witch-hunt",
                    "image": "https://images.example/game.jpg",
                },
            }],
            "keys": [
                {"id": key_ids[0], "gameId": "game", "key": texts[0], "activated": False,
                 "revoked": False},
                {"id": key_ids[1], "gameId": "game", "key": texts[1], "activated": False,
                 "revoked": False},
            ],
        }  # fmt: skip
        assert await balance_of(stocked, alice.id) == Decimal("10.02")
        [_, purchase] = await ledger_of(stocked, alice.id)
        assert (purchase["type"], purchase["amount"]) == ("PURCHASE", Decimal("-39.98"))
        assert (purchase["currency"], purchase["status"]) == ("EUR", "COMPLETED")
        assert (purchase["method"], purchase["orderId"]) == ("balance", shown["id"])
        assert await rows_of(
            stocked,
            "SELECT state, unit_id IS NOT NULL FROM keyshop.vault_keys WHERE game_id = $1"
            " ORDER BY state",
            game,
        ) == [("delivered", True), ("delivered", True), ("free", False)]
        assert await violations(stocked) == []

    async def test_is_shown_again_with_its_keys_and_in_lists_without_them(
        self, stocked: Database, alice: Person
    ):
        game = await stock_game(stocked, 2)
        await pay_in(stocked, alice, "20.00")
        first = await placed(alice, {game: 1})
        await forget_click(stocked, alice, 5)
        second = await placed(alice, {game: 1})

        again = await alice.get(f"/api/orders/{first['id']}")
        listed = await alice.get("/api/orders")

        assert again == first
        assert {key["key"] for key in first["keys"] + second["keys"]} == {
            f"{game}-00000", f"{game}-00001"
        }  # fmt: skip
        assert [shown["id"] for shown in listed] == [second["id"], first["id"]]
        assert [key["key"] for shown in listed for key in shown["keys"]] == ["", ""]
        assert await alice.get("/api/user/orders") == listed
        assert await alice.get("/api/orders?page=1&limit=50") == listed

    async def test_is_seen_by_its_customer_alone(
        self, stocked: Database, alice: Person, bob: Person, guest: Person
    ):
        game = await stock_game(stocked, 1)
        await pay_in(stocked, alice, "10.00")
        shown = await placed(alice, {game: 1})

        refusals = [
            await person.request("GET", f"/api/orders/{order_id}")
            for person, order_id in [
                (bob, shown["id"]), (alice, "no-such-order"), (alice, "x" * 200),
            ]
        ]  # fmt: skip

        assert [(refusal.status_code, message_of(refusal)) for refusal in refusals] == [
            (404, "Order not found")
        ] * 3
        assert await bob.get("/api/orders") == []
        assert await bob.get(f"/api/orders?cursor={shown['id']}") == []
        for path in ("/api/orders", f"/api/orders/{shown['id']}", "/api/user/orders"):
            assert (await guest.request("GET", path)).status_code == 401
        assert (await order(guest, {game: 1})).status_code == 401
        assert await rows_of(
            stocked, "SELECT user_id FROM keyshop.key_reveals WHERE vault_key_id = $1",
            shown["keys"][0]["id"],
        ) == [(alice.id,)]  # fmt: skip

    async def test_takes_its_games_out_of_the_cart_and_the_last_key_out_of_stock(
        self, stocked: Database, alice: Person
    ):
        last, other = await stock_game(stocked, 1), await stock_game(stocked, 5)
        await pay_in(stocked, alice, "50.00")
        await alice.put(last)
        await alice.put(other, quantity=3)

        await placed(alice, {last: 1})

        assert await alice.cart() == {other: 3}
        assert (await alice.get(f"/api/games/{last}"))["inStock"] is False
        assert (await alice.get(f"/api/games/{other}"))["inStock"] is True

    async def test_spreads_a_discount_over_its_keys_to_the_cent(
        self, stocked: Database, alice: Person
    ):
        cheap = await stock_game(stocked, 3, "0.35")
        dear = await stock_game(stocked, 4, "33.33")
        promo = await make_promo(stocked, discount=Decimal("12.5"))
        await pay_in(stocked, alice, "200.00")

        shown = await placed(alice, {dear: 4, cheap: 3}, promo=f" {promo.code.lower()} ")

        # 12.5 % of 134.37 is 16.79625.
        assert (shown["subtotal"], shown["discount"], shown["total"]) == (134.37, 16.8, 117.57)
        assert shown["promoCode"] == promo.code
        assert sum(Decimal(str(item["discount"])) for item in shown["items"]) == Decimal("16.80")
        [(charged, units)] = await rows_of(
            stocked, "SELECT sum(charged), count(*) FROM keyshop.order_units WHERE order_id = $1",
            shown["id"],
        )  # fmt: skip
        assert (charged, units) == (Decimal("117.57"), 7)
        assert await balance_of(stocked, alice.id) == Decimal("82.43")
        assert await rows_of(
            stocked, 'SELECT "usedCount" FROM promo_codes WHERE code = $1', promo.code
        ) == [(1,)]
        assert await violations(stocked) == []

    async def test_that_costs_nothing_has_a_row_of_zero_in_the_ledger(
        self, stocked: Database, alice: Person
    ):
        game = await stock_game(stocked, 1, "59.99")
        promo = await make_promo(stocked, discount=Decimal(100))

        shown = await placed(alice, {game: 1}, promo=promo.code)

        assert (shown["total"], shown["status"]) == (0, "COMPLETED")
        [purchase] = await ledger_of(stocked, alice.id)
        assert (purchase["amount"], purchase["orderId"]) == (Decimal("0.00"), shown["id"])

    async def test_may_cost_the_balance_to_the_cent(self, stocked: Database, alice: Person):
        # In binary floating point, three times 1.10 is more than 3.30.
        game = await stock_game(stocked, 3, "1.10")
        await pay_in(stocked, alice, "3.30")

        await placed(alice, {game: 3})

        assert await balance_of(stocked, alice.id) == Decimal("0.00")

    async def test_counts_in_the_statistics(self, stocked: Database, alice: Person):
        game = await stock_game(stocked, 2)
        promo = await make_promo(stocked)
        await pay_in(stocked, alice, "30.00")
        await placed(alice, {game: 2}, promo=promo.code)

        stats = await alice.get("/api/user/stats")

        assert (stats["totalGames"], stats["totalOrders"]) == (2, 1)
        assert (stats["totalSaved"], stats["balance"]) == (2, 12)

    async def test_is_paged_by_cursor_and_count(self, stocked: Database, alice: Person):
        game = await stock_game(stocked, 3)
        await pay_in(stocked, alice, "30.00")
        ids: list[str] = []
        for _ in range(3):
            ids.insert(0, (await placed(alice, {game: 1}))["id"])
            await forget_click(stocked, alice, 5)

        first = await alice.get("/api/orders?count=2")
        second = await alice.get(f"/api/orders?count=2&cursor={first[-1]['id']}")

        assert [shown["id"] for shown in first] == ids[:2]
        assert [shown["id"] for shown in second] == ids[2:]
        assert [shown["id"] for shown in await alice.get("/api/orders?count=-1")] == ids[:1]
        assert await alice.get("/api/orders?cursor=no-such-order") == []

    async def test_is_sold_from_own_stock_before_its_release(
        self, stocked: Database, alice: Person
    ):
        game = await stock_game(
            stocked,
            1,
            g2aProductId="1",
            g2aStock=True,
            releaseDate=datetime(2099, 1, 1, tzinfo=UTC),
        )
        await pay_in(stocked, alice, "20.00")

        refused = await order(alice, {game: 2})
        shown = await placed(alice, {game: 1})

        assert refused.status_code == 400
        assert shown["status"] == "COMPLETED"


class TestRefusedOrder:
    @pytest.mark.parametrize(
        ("quantity", "message"),
        [
            *[(wrong, QUANTITY) for wrong in (-5, 0, 100, 1.5, 1.0, "2", True, None, [1], 10**40)],
            (2, "Insufficient balance"),
            (4, "Game Plenty is out of stock"),
        ],
    )
    async def test_of_a_quantity_takes_nothing(
        self, stocked: Database, alice: Person, quantity: Any, message: str
    ):
        game = await stock_game(stocked, 3, "9.99", title="Plenty")
        await pay_in(stocked, alice, "9.99" if quantity == 2 else "500.00")
        await alice.put(game)
        before = await traces(stocked, alice)

        refused = await order(alice, {game: quantity})

        assert (refused.status_code, message_of(refused)) == (400, message)
        assert await traces(stocked, alice) == before

    @pytest.mark.parametrize(
        ("body", "status", "message"),
        [
            ({"items": []}, 400, "The order has no items."),
            ({"items": [("A", 60), ("A", 40)]}, 400, QUANTITY),
            ({"items": [("A", 60), ("B", 41)]}, 400, "An order can hold at most 100 keys."),
            ({"items": [("A", 1), ("no-such-game", 1)]}, 404, "Some games not found"),
            ({"items": [("x" * 300, 1)]}, 404, "Some games not found"),
            ({"items": [("A", 1)], "promoCode": "NEVER"}, 400, "Invalid promo code"),
            ({"items": [("A", 1)], "promoCode": "é" * 101}, 400, "Invalid promo code"),
        ],
    )
    async def test_of_a_body_takes_nothing(
        self, stocked: Database, alice: Person, body: dict[str, Any], status: int, message: str
    ):
        ids = {name: await stock_game(stocked, 1, "1.00") for name in ("A", "B")}
        await pay_in(stocked, alice, "500.00")
        before = await traces(stocked, alice)
        items = [{"gameId": ids.get(name, name), "quantity": n} for name, n in body["items"]]

        refused = await alice.request("POST", "/api/orders", json={**body, "items": items})

        assert (refused.status_code, message_of(refused)) == (status, message)
        assert await traces(stocked, alice) == before

    @pytest.mark.parametrize(
        "body", [None, [], {}, {"items": None}, {"items": {}}, {"items": "all"}, {"items": [1]},
                 {"items": [{}]}, {"items": [{"gameId": 7, "quantity": 1}]},
                 {"items": [{"gameId": "A", "quantity": 1}], "promoCode": 7}],
    )  # fmt: skip
    async def test_of_another_form_is_400(self, alice: Person, body: Any):
        refused = await alice.request("POST", "/api/orders", json=body)

        assert refused.status_code == 400
        assert message_of(refused)

    @pytest.mark.parametrize("text", [r"\ud800", r"\u0000", r"\u202e", "%", "' OR true --"])
    @pytest.mark.parametrize("field", ["gameId", "promoCode"])
    async def test_of_a_text_that_no_row_can_have_is_no_fault_of_the_shop(
        self, stocked: Database, alice: Person, text: str, field: str
    ):
        game = await stock_game(stocked, 1)
        await pay_in(stocked, alice, "10.00")
        game_id, promo = (text, "") if field == "gameId" else (game, text)
        body = f'{{"items": [{{"gameId": "{game_id}", "quantity": 1}}], "promoCode": "{promo}"}}'

        refused = await alice.request("POST", "/api/orders", content=body.encode())

        assert refused.status_code in {400, 404}
        assert message_of(refused)

    @pytest.mark.parametrize("quantities", [[1, 1], [99, 1]])
    async def test_is_not_one_that_names_a_game_twice(
        self, stocked: Database, alice: Person, quantities: list[int]
    ):
        game = await stock_game(stocked, 2)
        await pay_in(stocked, alice, "500.00")
        items = [{"gameId": game, "quantity": quantity} for quantity in quantities]

        answer = await alice.request("POST", "/api/orders", json={"items": items})

        if sum(quantities) > 99:
            assert (answer.status_code, message_of(answer)) == (400, QUANTITY)
        else:
            [item] = answer.json()["data"]["items"]
            assert item["quantity"] == 2

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"validUntil": datetime(2020, 1, 1, tzinfo=UTC)},
             "Promo code is not valid at this time"),
            ({"active": False}, "Promo code is not active"),
            ({"maxUses": 1, "usedCount": 1}, "Promo code has reached maximum uses"),
            ({"discount": Decimal("NaN")}, "Invalid promo code"),
        ],
    )  # fmt: skip
    async def test_for_its_promo_code_counts_no_use(
        self, stocked: Database, alice: Person, columns: dict[str, Any], message: str
    ):
        game = await stock_game(stocked, 1)
        promo = await make_promo(stocked, **columns)
        await pay_in(stocked, alice, "10.00")
        before = await traces(stocked, alice)

        refused = await order(alice, {game: 1}, promo=promo.code)

        assert (refused.status_code, message_of(refused)) == (400, message)
        assert await traces(stocked, alice) == before

    @pytest.mark.parametrize("price", ["NaN", "-1.00"])
    async def test_of_a_game_without_a_price_takes_nothing(
        self, stocked: Database, alice: Person, price: str
    ):
        game = await stock_game(stocked, 1, price, title="Nothing")
        await pay_in(stocked, alice, "10.00")
        before = await traces(stocked, alice)

        refused = await order(alice, {game: 1})

        assert (refused.status_code, message_of(refused)) == (400, "Game Nothing is out of stock")
        assert await traces(stocked, alice) == before

    @pytest.mark.parametrize("balance", ["NaN", "-5.00", "9.99"])
    async def test_by_a_balance_that_is_no_money_takes_nothing(
        self, stocked: Database, alice: Person, balance: str
    ):
        game = await stock_game(stocked, 1, "10.00")
        await set_balance(stocked, alice.id, balance)
        before = await traces(stocked, alice)

        refused = await order(alice, {game: 1})

        assert (refused.status_code, message_of(refused)) == (400, "Insufficient balance")
        assert await traces(stocked, alice) == before

    async def test_of_a_game_that_only_the_supplier_has_takes_nothing(
        self, stocked: Database, alice: Person
    ):
        game = await make_game(
            stocked, title="Afar", slug=f"afar-{alice.id}", g2aProductId="77", g2aStock=True
        )
        await pay_in(stocked, alice, "100.00")
        before = await traces(stocked, alice)

        refused = await order(alice, {game: 1})

        assert (refused.status_code, message_of(refused)) == (400, "Game Afar is out of stock")
        assert await traces(stocked, alice) == before

    async def test_is_the_eleventh_within_a_minute(self, stocked: Database, alice: Person):
        game = await stock_game(stocked, 12, "1.00")
        await pay_in(stocked, alice, "20.00")
        # Refused ones do not count.
        for _ in range(12):
            assert (await order(alice, {game: 99})).status_code == 400

        for number in range(10):
            await placed(alice, {game: 1}, key=f"order {number}".replace(" ", "-"))
        eleventh = await order(alice, {game: 1}, key="eleventh")

        assert eleventh.status_code == 429
        assert message_of(eleventh) == "Too many orders. Please wait a moment and try again."
        assert 50 < int(eleventh.headers["retry-after"]) <= 60
        await forget_click(stocked, alice, 61)
        await placed(alice, {game: 1}, key="eleventh")

    async def test_is_any_while_deliveries_are_paused_after_a_restore(
        self, stocked: Database, alice: Person
    ):
        game = await stock_game(stocked, 1)
        await pay_in(stocked, alice, "10.00")
        before = await traces(stocked, alice)

        async with stocked.transaction() as tx:
            await tx.execute("UPDATE keyshop.buying_state SET is_paused_after_restore = true")
        try:
            refused = await order(alice, {game: 1})
        finally:
            async with stocked.transaction() as tx:
                await tx.execute("UPDATE keyshop.buying_state SET is_paused_after_restore = false")

        assert refused.status_code == 503
        assert await traces(stocked, alice) == before
        await placed(alice, {game: 1})


class TestShownKey:
    def test_is_in_no_repr(self):
        key = KeyInOrder(id="one", game_id="game", key="AAAA-BBBB", activated=False, revoked=False)

        assert "AAAA" not in repr([key])


class TestIdempotencyKey:
    async def test_names_its_order_for_a_day(self, stocked: Database, alice: Person, bob: Person):
        game, other = await stock_game(stocked, 4), await stock_game(stocked, 1)
        for person in (alice, bob):
            await pay_in(stocked, person, "50.00")

        first = await order(alice, {game: 1}, key="same")
        await forget_click(stocked, alice, 23 * 3600)
        again = await order(alice, {game: 1}, key="same")
        for items, promo in (({game: 2}, None), ({other: 1}, None), ({game: 1}, "GKEYS10")):
            reused = await order(alice, items, key="same", promo=promo)
            assert (reused.status_code, message_of(reused)) == (
                422, "This Idempotency-Key was used for another order."
            )  # fmt: skip
        of_bob = await order(bob, {game: 1}, key="same")
        await forget_click(stocked, alice, 2 * 3600)
        later = await order(alice, {game: 1}, key="same")

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == first.json()
        assert again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers
        for another in (of_bob, later):
            assert another.status_code == 201
            assert another.json()["data"]["id"] != first.json()["data"]["id"]
        assert await balance_of(stocked, alice.id) == Decimal("30.00")

    async def test_of_a_refused_order_can_be_used_again(self, stocked: Database, alice: Person):
        game = await stock_game(stocked, 1)

        refused = await order(alice, {game: 1}, key="first")
        await pay_in(stocked, alice, "10.00")
        shown = await placed(alice, {game: 1}, key="first")

        assert message_of(refused) == "Insufficient balance"
        assert shown["status"] == "COMPLETED"

    async def test_ignores_the_order_of_items_and_the_case_of_the_code(
        self, stocked: Database, alice: Person
    ):
        one, two = await stock_game(stocked, 1), await stock_game(stocked, 2)
        promo = await make_promo(stocked)
        await pay_in(stocked, alice, "50.00")

        first = await placed(alice, {one: 1, two: 2}, key="k", promo=promo.code)
        items = [{"gameId": game, "quantity": 1} for game in (two, one, two)]
        again = await alice.request(
            "POST", "/api/orders", headers={"Idempotency-Key": "k"},
            json={"items": items, "promoCode": promo.code.lower()},
        )  # fmt: skip

        assert again.json()["data"] == first

    @pytest.mark.parametrize("key", ["", "two words", "k" * 256, "é", "a\tb"])
    async def test_of_other_characters_is_refused(self, stocked: Database, alice: Person, key: str):
        game = await stock_game(stocked, 1)
        await pay_in(stocked, alice, "10.00")
        before = await traces(stocked, alice)

        refused = await alice.request(
            "POST", "/api/orders", json={"items": [{"gameId": game, "quantity": 1}]},
            headers={"Idempotency-Key": key.encode("latin-1")},
        )  # fmt: skip

        assert refused.status_code == 400
        assert message_of(refused) == "Idempotency-Key must be 1 to 255 visible ASCII characters."
        assert await traces(stocked, alice) == before

    async def test_is_one_header_and_not_two(self, stocked: Database, alice: Person):
        game = await stock_game(stocked, 1)
        await pay_in(stocked, alice, "10.00")

        refused = await alice.client.request(
            "POST", "/api/orders", json={"items": [{"gameId": game, "quantity": 1}]},
            headers=[
                ("Authorization", f"Bearer {alice.token}"),
                ("Idempotency-Key", "one"), ("Idempotency-Key", "two"),
            ],
        )  # fmt: skip

        assert refused.status_code == 400

    async def test_of_an_order_that_was_deleted_buys_nothing(
        self, stocked: Database, alice: Person
    ):
        game = await stock_game(stocked, 2)
        await pay_in(stocked, alice, "20.00")
        shown = await placed(alice, {game: 1}, key="gone")
        async with stocked.transaction() as tx:
            await tx.execute("DELETE FROM orders WHERE id = $1", shown["id"])

        answer = await order(alice, {game: 1}, key="gone")

        assert (answer.status_code, message_of(answer)) == (404, "Order not found")
        assert await balance_of(stocked, alice.id) == Decimal("10.00")

    async def test_in_use_for_longer_than_the_lock_timeout_is_409(
        self, db: Database, database_url: str
    ):
        game = await stock_game(db, 1)
        impatient = Database(database_url, guard=RedisCommitGuard(None), lock_timeout=0.05)
        await impatient.open()

        async with open_browser(make_app(impatient)) as alice:
            await alice.register()
            await pay_in(db, alice, "10.00")
            async with db.transaction() as tx:
                await tx.execute(
                    "INSERT INTO keyshop.idempotency VALUES ($1, $2, '', NULL, false, now())",
                    alice.id, sha256(b"key busy").hexdigest(),
                )  # fmt: skip
                answer = await elsewhere(order(alice, {game: 1}, key="busy"))
            # Another lock is no reason to think that the order is being placed.
            async with db.transaction() as tx:
                await tx.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", alice.id)
                other = await elsewhere(order(alice, {game: 1}, key="free"))
        await impatient.close()

        assert (answer.status_code, message_of(answer)) == (
            409, "This order is being placed. Please wait."
        )  # fmt: skip
        assert other.status_code == 503


class TestLostAnswer:
    async def test_is_given_to_the_retry_with_the_same_key(self, db: Database, database_url: str):
        game = await stock_game(db, 2)
        async with open_browser(make_app(db)) as alice:
            await alice.register()
            await pay_in(db, alice, "20.00")

            async with (
                lost_after_commit(database_url) as leaving,
                open_browser(make_app(leaving)) as same_alice,
            ):
                same_alice.token = alice.token
                lost = await order(same_alice, {game: 1}, key="lost")
            retried = await order(alice, {game: 1}, key="lost")

            assert lost.status_code == 503
            assert retried.status_code == 201
            assert retried.headers["idempotency-replayed"] == "true"
            [key] = retried.json()["data"]["keys"]
            assert key["key"].startswith(f"{game}-")
            assert await balance_of(db, alice.id) == Decimal("10.00")
            assert len(await alice.get("/api/orders")) == 1


class TestParallelOrders:
    async def test_with_the_balance_for_one_are_one(self, stocked: Database, alice: Person):
        game = await stock_game(stocked, 50)
        await pay_in(stocked, alice, "19.99")

        answers = await asyncio.gather(
            *(order(alice, {game: 1}, key=f"order-{number}") for number in range(50))
        )

        assert sorted(answer.status_code for answer in answers) == [201] + [400] * 49
        assert {message_of(answer) for answer in answers if answer.status_code == 400} == {
            "Insufficient balance"
        }
        assert await balance_of(stocked, alice.id) == Decimal("9.99")
        assert await violations(stocked) == []

    async def test_with_one_key_are_one_order_with_one_answer(
        self, stocked: Database, alice: Person
    ):
        game = await stock_game(stocked, 50)
        await pay_in(stocked, alice, "500.00")

        answers = await asyncio.gather(*(order(alice, {game: 1}, key="one") for _ in range(50)))

        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert sum("idempotency-replayed" in answer.headers for answer in answers) == 49
        assert await balance_of(stocked, alice.id) == Decimal("490.00")
        assert await violations(stocked) == []

    async def test_of_a_double_click_are_one_and_a_later_one_is_a_second(
        self, stocked: Database, alice: Person
    ):
        game = await stock_game(stocked, 50)
        await pay_in(stocked, alice, "500.00")

        clicks = await asyncio.gather(*(order(alice, {game: 2}) for _ in range(50)))
        await forget_click(stocked, alice, 5)
        later = await placed(alice, {game: 2})

        assert {answer.status_code for answer in clicks} == {201}
        assert len({answer.content for answer in clicks}) == 1
        assert later["id"] != clicks[0].json()["data"]["id"]
        assert await balance_of(stocked, alice.id) == Decimal("460.00")
        assert len(await alice.get("/api/orders")) == 2

    async def test_from_two_devices_or_of_two_carts_are_two(
        self, stocked: Database, app, alice: Person
    ):
        game = await stock_game(stocked, 50)
        await pay_in(stocked, alice, "500.00")

        async with open_browser(app) as phone:
            await phone.sign_in(alice.email)
            answers = await asyncio.gather(
                order(alice, {game: 1}), order(phone, {game: 1}), order(alice, {game: 2})
            )

        assert len({answer.json()["data"]["id"] for answer in answers}) == 3
        assert await balance_of(stocked, alice.id) == Decimal("460.00")

    async def test_with_a_promo_code_for_five_are_five(self, stocked: Database, client):
        game = await stock_game(stocked, 50)
        promo = await make_promo(stocked, maxUses=5)
        people = await self._customers(stocked, client, 50)

        answers = await asyncio.gather(
            *(order(person, {game: 1}, promo=promo.code) for person in people)
        )

        assert sorted(answer.status_code for answer in answers) == [201] * 5 + [400] * 45
        assert {message_of(answer) for answer in answers if answer.status_code == 400} == {
            "Promo code has reached maximum uses"
        }
        assert await rows_of(
            stocked, 'SELECT "usedCount" FROM promo_codes WHERE code = $1', promo.code
        ) == [(5,)]
        assert await self._keys(stocked, game) == {"delivered": 5, "free": 45}
        assert await violations(stocked) == []

    async def test_of_the_last_key_have_one_buyer(self, stocked: Database, client, alice: Person):
        game = await stock_game(stocked, 1)
        people = await self._customers(stocked, client, 50)

        answers = await asyncio.gather(*(order(person, {game: 1}) for person in people))

        assert sorted(answer.status_code for answer in answers) == [201] + [400] * 49
        assert await self._keys(stocked, game) == {"delivered": 1}
        assert (await alice.get(f"/api/games/{game}"))["inStock"] is False
        assert await violations(stocked) == []

    async def test_of_fifty_customers_for_twenty_keys_are_twenty_and_refusals_take_nothing(
        self, stocked: Database, client, alice: Person
    ):
        game = await stock_game(stocked, 20)
        people = await self._customers(stocked, client, 50)

        answers = await asyncio.gather(*(order(person, {game: 1}) for person in people))

        bought = [answer.json()["data"] for answer in answers if answer.status_code == 201]
        assert len({order["keys"][0]["key"] for order in bought}) == len(bought) == 20
        for person, answer in zip(people, answers, strict=True):
            found = await traces(stocked, person)
            if answer.status_code == 201:
                assert (found["balance"], found["orders"]) == ("5.00", 1)
            else:
                assert answer.status_code == 400
                assert message_of(answer).endswith(" is out of stock")
                assert (found["balance"], found["orders"], found["units"]) == ("15.00", 0, 0)
                assert (found["transactions"], found["idempotency"]) == (1, 0)
        assert (await alice.get(f"/api/games/{game}"))["inStock"] is False
        assert await violations(stocked) == []

    @staticmethod
    async def _customers(db: Database, client: httpx2.AsyncClient, count: int) -> list[Person]:
        """Return customers with 15.00 EUR each."""
        return [await make_buyer(db, client, "15.00") for _ in range(count)]

    @staticmethod
    async def _keys(db: Database, game: str) -> dict[str, int]:
        found = await rows_of(
            db, "SELECT state, count(*) FROM keyshop.vault_keys WHERE game_id = $1 GROUP BY 1", game
        )
        return dict(found)
