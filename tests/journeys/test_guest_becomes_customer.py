"""A guest becomes a customer on two devices and loses nothing, with and without Redis."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from litestar.types import ASGIApp

from keyshop.embedded.ports import pick_free
from keyshop.kit.cache.open import open_cache, run_relay
from keyshop.kit.database.pool import Database
from tests.factories.api_app import make_app
from tests.factories.browsers import Person, message_of, new_email, open_browser
from tests.factories.games import make_game


@pytest_asyncio.fixture(params=["with Redis", "without Redis"])
async def shop(
    database_url: str, valkey_url: str, request: pytest.FixtureRequest
) -> AsyncIterator[ASGIApp]:
    """The API of a shop with a cache, whose Redis runs or is absent."""
    redis_url = valkey_url if request.param == "with Redis" else f"redis://127.0.0.1:{pick_free()}"
    async with (
        run_relay(database_url, redis_url),
        open_cache(database_url, redis_url) as opened,
    ):
        db = Database(database_url, guard=opened.guard)
        await db.open()
        yield make_app(db, cache=opened.cache)
        await db.close()


def has_cookie(person: Person) -> bool:
    return person.session is not None


class TestGuestWhoBecomesACustomer:
    async def test_finds_everything_again_on_every_device(self, db: Database, shop: ASGIApp):
        iron, rust, dusk, dawn, fading = [
            await make_game(db, title=title) for title in ("Iron", "Rust", "Dusk", "Dawn", "Fading")
        ]
        email = new_email()
        async with open_browser(shop) as laptop, open_browser(shop) as phone:
            # On the laptop, a guest reads the empty cart: nothing is stored, and no cookie is set.
            assert await laptop.cart() == {}
            assert not has_cookie(laptop)

            # The guest adds games, one of them twice, and gets a cookie.
            await laptop.put(iron, rust)
            await laptop.put(iron, quantity=2)
            await laptop.wish(dusk, iron)
            assert has_cookie(laptop)
            assert await laptop.cart() == {iron: 3, rust: 1}

            # The guest registers: all lines move to the customer, and the cookie is deleted.
            data = await laptop.register(email=email)
            assert data["migration"]["counts"] == {"merged": 4, "capped": 0, "kept": 0}
            assert not has_cookie(laptop)
            assert await laptop.cart() == {iron: 3, rust: 1}
            assert await laptop.wishlist() == {dusk, iron}

            # On the phone, the same person is a new guest and fills another cart.
            assert await phone.cart() == {}
            await phone.put(iron, dawn, fading)
            await phone.wish(dawn, dusk)
            before = phone.session

            # One of its games goes out of stock; then the customer signs in on the phone.
            async with db.transaction() as tx:
                await tx.execute('UPDATE games SET "inStock" = false WHERE id = $1', fading)
            data = await phone.sign_in(email)

            # Both devices see the union; the unavailable game stayed behind and was reported.
            kept = [line for line in data["migration"]["cart"] if line["outcome"] == "kept"]
            assert [(line["gameId"], line["reason"]) for line in kept] == [
                (fading, "This game is out of stock.")
            ]
            for device in (laptop, phone):
                assert await device.cart() == {iron: 4, rust: 1, dawn: 1}
                assert await device.wishlist() == {iron, dusk, dawn}
            assert phone.session not in {None, before}

            # The migration that each page load requests changes nothing when it is repeated.
            for part in ("cart", "wishlist"):
                await phone.do("POST", f"/api/{part}/migrate")
            assert await phone.cart() == {iron: 4, rust: 1, dawn: 1}

            # It is in stock again: the next page load moves it.
            async with db.transaction() as tx:
                await tx.execute('UPDATE games SET "inStock" = true WHERE id = $1', fading)
            await phone.do("POST", "/api/cart/migrate")
            assert await laptop.cart() == {iron: 4, rust: 1, dawn: 1, fading: 1}
            assert not has_cookie(phone)

            # After a sign-out on the phone, its cart is empty, and the customer keeps the cart on the laptop.
            await phone.do("POST", "/api/auth/logout")
            refused = await phone.request("GET", "/api/cart")
            assert (refused.status_code, message_of(refused)[:7]) == (401, "Invalid")
            phone.token = ""
            assert await phone.cart() == {}
            assert await laptop.cart() == {iron: 4, rust: 1, dawn: 1, fading: 1}
