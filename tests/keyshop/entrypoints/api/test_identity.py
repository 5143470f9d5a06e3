"""The user behind a request: valid tokens, invalid tokens, and none."""

import base64
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest

from keyshop.kit.clock import utc_now
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from tests.factories.account_services import ACCESS_SECRET, REFRESH_SECRET
from tests.factories.browsers import Person, message_of

NO_TOKEN = "Authentication required. Please provide a valid token."
BASKETS = ["/api/cart", "/api/wishlist", "/api/wishlist/some-game/check"]


def claims_of(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False, "verify_aud": False}))


def signed(claims: dict[str, Any], secret: str = ACCESS_SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, secret, algorithm=algorithm)


def unsigned(claims: dict[str, Any], algorithm: str) -> str:
    parts = ({"alg": algorithm, "typ": "JWT"}, claims)
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*texts, b""]).decode()


def with_other_payload(token: str, **changes: Any) -> str:
    head, _, signature = token.split(".")
    payload = unsigned(claims_of(token) | changes, "HS256").split(".")[1]
    return f"{head}.{payload}.{signature}"


def bad_headers(alice: Person, bob: Person) -> dict[str, str]:
    """Return invalid tokens by what is wrong with them."""
    good = claims_of(alice.token)
    past = int((utc_now() - timedelta(hours=1)).timestamp())
    tokens = {
        "expired": signed(good | {"exp": past, "iat": past - 60}),
        "without a signature": unsigned(good, "none"),
        "without a signature, shouting": unsigned(good, "NONE"),
        "with an empty signature": unsigned(good, "HS256"),
        "of another signer": signed(good, "x" * 40),
        "signed as refresh tokens are": signed(good, REFRESH_SECRET),
        "of another algorithm": signed(good, "a" * 64, "HS512"),
        "a refresh token": alice.refresh_token,
        "of another kind": signed(good | {"typ": "refresh"}),
        "of another shop": signed(good | {"iss": "elsewhere"}),
        "for another shop": signed(good | {"aud": "elsewhere"}),
        "of a sign-in that never was": signed(good | {"fid": new_id()}),
        "of a user who never was": signed(good | {"userId": new_id()}),
        "of a user with another's sign-in": signed(good | {"userId": bob.id}),
        "with another's id written in": with_other_payload(alice.token, userId=bob.id),
        "with a role written in": with_other_payload(alice.token, role="ADMIN"),
        "of a number for a user": signed(good | {"userId": 7}),
        "of nothing": "..",
        "of two dots and noise": "a.b.c",
        "very long": "x" * 20_000,
        **{
            f"without {claim}": signed({name: good[name] for name in good if name != claim})
            for claim in ("userId", "exp", "fid", "typ", "iss", "aud")
        },
    }
    headers = {name: f"Bearer {token}" for name, token in tokens.items()}
    return headers | {
        "no scheme": alice.token,
        "another scheme": f"Token {alice.token}",
        "no token": "Bearer",
        "a blank token": "Bearer ",
        "two tokens": f"Bearer {alice.token} {alice.token}",
        "nothing at all": "",
        "a word of scripts": "Bearer undefined",
    }


async def guarded_operations(guest: Person) -> list[tuple[str, str, bool]]:
    """List method, path, and whether guests are allowed, from the OpenAPI document."""
    document = (await guest.request("GET", "/openapi.json")).json()
    return [
        (method, path.replace("{game_id}", "some-game"), {} in operation["security"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation.get("security")
    ]


class TestGuardedRoutes:
    async def test_are_all_routes_with_personal_data(self, guest: Person):
        guarded = await guarded_operations(guest)

        document = (await guest.request("GET", "/openapi.json")).json()
        personal = {
            (method, path.replace("{game_id}", "some-game"))
            for path, methods in document["paths"].items()
            for method in methods
            if path.startswith(("/api/user", "/api/cart", "/api/wishlist"))
        }
        assert personal <= {(method, path) for method, path, _ in guarded}
        assert len(guarded) >= 24

    async def test_refuse_a_request_without_a_token(self, guest: Person):
        for method, path, lets_guests_in in await guarded_operations(guest):
            if not lets_guests_in:
                answer = await guest.request(method, path, json={})

                assert answer.status_code == 401, (method, path)
                assert message_of(answer) == NO_TOKEN
                assert answer.headers["www-authenticate"] == "Bearer"

    async def test_refuse_every_invalid_token(self, guest, alice, bob):
        headers = bad_headers(alice, bob)

        wrong = [
            (method, path, name)
            for method, path, _ in await guarded_operations(guest)
            for name, header in headers.items()
            if (
                await guest.request(
                    method, path, json={"code": "1"}, headers={"Authorization": header}
                )
            ).status_code
            != 401
        ]

        assert wrong == []

    async def test_refuse_a_token_after_sign_out(self, guest, alice):
        token = alice.token
        await alice.do("POST", "/api/auth/logout")
        guest.token = token

        for method, path, _ in await guarded_operations(guest):
            answer = await guest.request(method, path, json={"code": "1"})
            assert answer.status_code == 401, (method, path)

    async def test_accept_the_scheme_in_any_case(self, guest, alice):
        header = {"Authorization": f"bearer {alice.token}"}

        assert (await guest.get("/api/auth/me", headers=header))["id"] == alice.id


class TestBadToken:
    @pytest.mark.parametrize("path", BASKETS)
    async def test_is_never_treated_as_a_guest(self, guest, alice, games, path: str):
        # With an expired token, its owner would see and fill a basket that is not theirs.
        await guest.put(games[0])
        expired = signed(claims_of(alice.token) | {"exp": 1})

        answer = await guest.request("GET", path, headers={"Authorization": f"Bearer {expired}"})

        assert answer.status_code == 401
        assert message_of(answer) == "Invalid or expired token. Please login again."

    async def test_changes_nothing(self, guest, games):
        answer = await guest.request(
            "POST",
            "/api/cart",
            json={"gameId": games[0]},
            headers={"Authorization": "Bearer undefined"},
        )

        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert await guest.cart() == {}


class TestBasicAuthenticationOfTheWholeSite:
    async def test_does_not_change_who_a_guest_is(self, guest, games):
        of_the_site = {"Authorization": "Basic c3RhZmY6c3RhZ2luZw=="}

        added = await guest.request(
            "POST", "/api/cart", json={"gameId": games[0]}, headers=of_the_site
        )
        profile = await guest.request("GET", "/api/user/profile", headers=of_the_site)

        assert added.status_code == 201
        assert await guest.cart() == {games[0]: 1}
        assert (profile.status_code, message_of(profile)) == (401, NO_TOKEN)


class TestCookie:
    async def test_names_a_guest_and_never_a_customer(self, guest, alice, games):
        await alice.put(games[0])
        await alice.wish(games[1])
        guest.take_session(alice.id)

        assert await guest.cart() == {}
        assert await guest.wishlist() == set()
        await guest.put(games[2])
        assert guest.session != alice.id
        assert await alice.cart() == {games[0]: 1}

    async def test_of_another_user_is_ignored_beside_a_token(self, app, guest, alice, games):
        await guest.put(games[0])
        alice.take_session(str(guest.session))

        assert await alice.cart() == {}

    @pytest.mark.parametrize("door", ["cookie", "x-session-id"])
    async def test_or_header_with_a_customers_id_moves_nothing(
        self, guest, alice, bob, games, door
    ):
        await bob.put(games[0])
        await bob.wish(games[1])
        header = {"Cookie": f"sessionId={bob.id}"} if door == "cookie" else {door: bob.id}

        data = await guest.sign_in(alice.email, headers=header)

        assert data["migration"] is None
        assert await alice.cart() == {}
        assert (await bob.cart(), await bob.wishlist()) == ({games[0]: 1}, {games[1]})

    async def test_header_is_read_only_at_sign_in(self, app, guest, alice, games):
        await guest.put(games[0])
        header = {"x-session-id": str(guest.session)}
        guest.client.cookies.clear()

        assert (await guest.get("/api/cart", headers=header))["items"] == []
        answer = await alice.request("POST", "/api/cart/migrate", headers=header)
        assert answer.status_code == 400


class TestOperators:
    async def test_are_allowed(self, alice: Person, stocked: Database):
        async with stocked.transaction() as tx:
            await tx.execute("UPDATE users SET role = 'ADMIN' WHERE id = $1", alice.id)
        await alice.sign_in(alice.email)

        answer = await alice.request("GET", "/tests/office")

        assert answer.json() == {"operator": alice.id}

    async def test_are_not_customers(self, alice: Person):
        answer = await alice.request("GET", "/tests/office")

        assert answer.status_code == 403
        assert message_of(answer)

    async def test_are_not_made_by_a_claim(self, alice: Person):
        alice.token = signed(claims_of(alice.token) | {"role": "ADMIN"})

        assert (await alice.request("GET", "/tests/office")).status_code == 403

    async def test_need_a_token(self, alice: Person, bob: Person, guest: Person):
        assert (await guest.request("GET", "/tests/office")).status_code == 401
        for name, header in bad_headers(alice, bob).items():
            answer = await guest.request("GET", "/tests/office", headers={"Authorization": header})
            assert answer.status_code == 401, name

    async def test_lose_access_with_their_role(self, alice: Person, stocked: Database):
        async with stocked.transaction() as tx:
            await tx.execute("UPDATE users SET role = 'ADMIN' WHERE id = $1", alice.id)
        await alice.sign_in(alice.email)
        async with stocked.transaction() as tx:
            await tx.execute("UPDATE users SET role = 'USER' WHERE id = $1", alice.id)

        assert (await alice.request("GET", "/tests/office")).status_code == 401
