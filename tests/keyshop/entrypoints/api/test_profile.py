"""The signed-in customer's own account over HTTP."""

import pytest

from keyshop.kit.database.pool import Database
from tests.factories.browsers import PASSWORD, Person, message_of

NEW_PASSWORD = "Another-Door-2"


class TestProfile:
    @pytest.mark.parametrize("path", ["/api/auth/me", "/api/user/profile"])
    async def test_has_the_fields_that_the_storefront_reads(self, alice: Person, path: str):
        profile = await alice.get(path)

        assert profile == {
            "id": alice.id,
            "email": alice.email,
            "nickname": "Alice",
            "balance": 0,
            "role": "USER",
            "emailVerified": False,
            "createdAt": profile["createdAt"],
            "stats": {
                "gamesPurchased": 0,
                "totalSaved": 0,
                "daysSinceRegistration": 0,
                "emptyFieldsCount": 3,
            },
        }
        assert profile["createdAt"].endswith("Z")

    async def test_changes_only_names(self, alice: Person):
        body = await alice.do(
            "PUT",
            "/api/user/profile",
            {
                "nickname": "Ally",
                "firstName": "Alice",
                "role": "ADMIN",
                "balance": 1000,
                "email": "other@example.com",
                "emailVerified": True,
                "id": "other",
            },
        )

        assert body["data"] == await alice.get("/api/user/profile")
        assert body["data"]["nickname"] == "Ally"
        assert body["data"]["firstName"] == "Alice"
        assert (body["data"]["role"], body["data"]["balance"]) == ("USER", 0)
        assert (body["data"]["email"], body["data"]["id"]) == (alice.email, alice.id)
        assert body["data"]["emailVerified"] is False

    async def test_does_not_change_the_password(self, alice: Person, guest: Person):
        response = await alice.request(
            "PUT", "/api/user/profile", json={"nickname": "Ally", "password": NEW_PASSWORD}
        )

        assert response.status_code == 400
        assert (await alice.get("/api/user/profile"))["nickname"] == "Alice"
        assert (await guest.sign_in(alice.email, PASSWORD))["user"]["id"] == alice.id

    @pytest.mark.parametrize(
        "wrong", [{"nickname": 5}, {"nickname": "A"}, {"firstName": []}, "text", None], ids=str
    )
    async def test_refuses_invalid_names(self, alice: Person, wrong):
        response = await alice.request("PUT", "/api/user/profile", json=wrong)

        assert response.status_code == 400


class TestPassword:
    async def test_is_changed_with_the_current_one(self, alice: Person, guest: Person):
        await guest.sign_in(alice.email)

        body = await alice.do(
            "PUT",
            "/api/user/password",
            {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD},
        )

        assert set(body) == {"success", "message"}
        assert (await alice.request("GET", "/api/auth/me")).status_code == 200
        assert (await guest.request("GET", "/api/auth/me")).status_code == 401
        guest.token = ""
        assert (await guest.sign_in(alice.email, NEW_PASSWORD))["user"]["id"] == alice.id

    @pytest.mark.parametrize(
        ("given", "sentence"),
        [
            (
                {"currentPassword": "Wrong-1-Wrong", "newPassword": NEW_PASSWORD},
                "Current password is incorrect",
            ),
            ({"newPassword": NEW_PASSWORD}, "required"),
            ({"currentPassword": PASSWORD}, "required"),
            ({"currentPassword": PASSWORD, "newPassword": 5}, "required"),
            ({"currentPassword": "", "newPassword": NEW_PASSWORD}, "Current password is required"),
            (
                {"currentPassword": PASSWORD, "newPassword": "Short-1"},
                "New password must be at least 8 characters",
            ),
        ],
        ids=str,
    )
    async def test_is_not_changed_without_the_current_one(
        self, alice: Person, guest: Person, given, sentence: str
    ):
        response = await alice.request("PUT", "/api/user/password", json=given)

        assert response.status_code == 400
        assert sentence in message_of(response)
        assert (await guest.sign_in(alice.email, PASSWORD))["user"]["id"] == alice.id


class TestStatistics:
    async def test_of_the_balance_are_numbers(self, alice: Person, stocked: Database):
        async with stocked.transaction() as tx:
            await tx.execute("UPDATE users SET balance = 12.5 WHERE id = $1", alice.id)

        assert await alice.get("/api/user/balance") == {"balance": 12.5, "currency": "EUR"}

    async def test_of_the_account_are_complete(self, alice: Person):
        assert await alice.get("/api/user/stats") == {
            "totalGames": 0,
            "totalSaved": 0,
            "daysSinceRegistration": 0,
            "totalOrders": 0,
            "balance": 0,
        }
