"""Registration, sign-in and sign-out over HTTP, as the storefront's pages use them."""

import asyncio

import httpx2
import pytest
from litestar.types import ASGIApp

from keyshop.accounts.email_tokens.tokens import Purpose
from keyshop.kit.database.pool import Database
from tests.factories.account_services import account_services
from tests.factories.browsers import PASSWORD, Person, message_of, new_email, open_browser

_PROOF = """
    SELECT id FROM keyshop.email_tokens WHERE user_id = $1 AND purpose = $2
    ORDER BY created_at DESC, id LIMIT 1
"""


async def mailed_proof(db: Database, person: Person, purpose: Purpose) -> str:
    """Return the id of the email token that was mailed last."""
    async with db.read() as reader:
        return str(await reader.fetchval(_PROOF, person.id, purpose))


async def mailed_token(db: Database, person: Person, purpose: Purpose) -> str:
    """Return the token of the link that was mailed last."""
    proof_id = await mailed_proof(db, person, purpose)
    return account_services().email_token_keys.link_token(purpose, proof_id)


class TestRegistration:
    async def test_returns_the_account_and_its_tokens(self, guest: Person):
        email = new_email()

        response = await guest.client.post(
            "/api/auth/register",
            json={"email": email.upper(), "password": PASSWORD, "nickname": "Alice"},
        )

        assert response.status_code == 201
        data = response.json()["data"]
        assert data["user"] == {
            "id": data["user"]["id"],
            "email": email,
            "nickname": "Alice",
            "firstName": None,
            "lastName": None,
            "avatar": None,
            "role": "USER",
        }
        assert set(data) == {"user", "token", "refreshToken", "expiresIn", "migration"}
        assert data["expiresIn"] == 3600

    async def test_stores_names(self, guest: Person):
        data = await guest.register(firstName="Alice", lastName="Liddell")

        assert data["user"]["firstName"] == "Alice"
        assert data["user"]["lastName"] == "Liddell"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"email": "no-address"},
            {"email": "a@b@c"},
            {"email": "alice@example.com\r\nBcc: eve@example.com"},
            {"email": None},
            {"email": ["alice@example.com"]},
            {"email": 7},
            {"password": "Short-1"},
            {"password": "no-capital-letter-1"},
            {"password": "NO-SMALL-LETTER-1"},
            {"password": "No-digit-at-all"},
            {"password": "Aa1" + "x" * 70},
            {"password": 12345678},
            {"nickname": "A"},
            {"nickname": "A" * 51},
            {"nickname": {"toString": "Alice"}},
            {"firstName": "A" * 101},
            {"lastName": False},
        ],
        ids=str,
    )
    async def test_refuses_invalid_fields(self, guest: Person, wrong):
        given = {"email": new_email(), "password": PASSWORD, "nickname": "Alice"} | wrong

        response = await guest.request("POST", "/api/auth/register", json=given)

        assert response.status_code == 400
        assert "Validation failed" in message_of(response)

    @pytest.mark.parametrize("password", ["Passw0rd\\u0000x", "Passw0rd\\\\u0000x"])
    async def test_accepts_a_password_that_only_looks_like_a_nul(self, guest: Person, password):
        await guest.register(password=password)

        assert (await guest.sign_in(guest.email, password))["user"]["id"] == guest.id

    async def test_refuses_an_address_that_is_taken_in_any_spelling(self, guest: Person, bob):
        given = {"email": f" {bob.email.title()}", "password": PASSWORD}

        response = await guest.request("POST", "/api/auth/register", json=given)

        assert response.status_code == 409
        assert message_of(response) == "User with this email already exists"

    async def test_in_parallel_for_one_address_creates_one_account(self, app):
        given = {"email": new_email(), "password": PASSWORD}
        async with open_browser(app) as person:
            answers = await asyncio.gather(
                *(person.request("POST", "/api/auth/register", json=given) for _ in range(10))
            )

        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9

    async def test_ignores_unknown_fields(self, guest: Person, stocked):
        await guest.register(role="ADMIN", balance=1000, emailVerified=True, id="chosen")

        profile = await guest.get("/api/user/profile")
        assert (profile["role"], profile["balance"], profile["emailVerified"]) == ("USER", 0, False)
        assert profile["id"] != "chosen"


class TestInternationalisedDomain:
    async def test_is_shown_decoded_wherever_it_was_written(self, guest: Person):
        name = new_email().partition("@")[0]
        decoded, encoded = f"{name}@bücher.example", f"{name}@xn--bcher-kva.example"

        registered = await guest.client.post(
            "/api/auth/register", json={"email": encoded, "password": PASSWORD}
        )
        again = await guest.client.post(
            "/api/auth/register", json={"email": decoded, "password": PASSWORD}
        )
        signed_in = await guest.client.post(
            "/api/auth/login", json={"email": decoded.upper(), "password": PASSWORD}
        )
        token = {"Authorization": f"Bearer {signed_in.json()['data']['token']}"}
        me = await guest.client.get("/api/auth/me", headers=token)
        profile = await guest.client.get("/api/user/profile", headers=token)

        assert (registered.status_code, again.status_code) == (201, 409)
        assert registered.json()["data"]["user"]["email"] == decoded
        assert signed_in.json()["data"]["user"]["email"] == decoded
        assert me.json()["data"]["email"] == decoded
        assert profile.json()["data"]["email"] == decoded


class TestSignIn:
    async def test_takes_the_password_of_another_keyboard(self, app: ASGIApp, guest: Person):
        composed, decomposed = "Gr\u00fc\u00dfe-1234", "Gru\u0308\u00dfe-1234"
        await guest.register(password=decomposed)

        async with open_browser(app) as phone:
            await phone.sign_in(guest.email, composed)
            await phone.do(
                "PUT",
                "/api/user/password",
                {"currentPassword": decomposed, "newPassword": "Caf\u00e9-Cr\u00e8me-1"},
            )
            await phone.sign_in(guest.email, "Cafe\u0301-Cre\u0300me-1")

    async def test_returns_new_tokens_and_omits_empty_names(self, guest, alice):
        data = await guest.sign_in(f"  {alice.email.upper()} ")

        assert data["user"] == {
            "id": alice.id,
            "email": alice.email,
            "nickname": "Alice",
            "role": "USER",
        }
        assert set(data) == {"user", "token", "refreshToken", "expiresIn", "migration"}
        assert data["token"] != alice.token
        assert (await guest.get("/api/auth/me"))["id"] == alice.id

    async def test_refuses_a_wrong_password_and_an_unknown_address_alike(self, guest, alice):
        answers = [
            await guest.request(
                "POST", "/api/auth/login", json={"email": email, "password": "Wrong-1"}
            )
            for email in (alice.email, new_email())
        ]

        assert [answer.status_code for answer in answers] == [401, 401]
        assert {message_of(answer) for answer in answers} == {"Invalid email or password"}
        assert [sorted(answer.headers) for answer in answers] == [sorted(answers[0].headers)] * 2

    @pytest.mark.parametrize(
        "given",
        [{}, {"email": "a@example.com"}, {"password": PASSWORD}, {"email": 1, "password": 2}, []],
        ids=str,
    )
    async def test_refuses_a_malformed_body(self, guest: Person, given):
        response = await guest.request("POST", "/api/auth/login", json=given)

        assert response.status_code == 400
        assert "Validation failed" in message_of(response)


class TestRefresh:
    async def test_returns_a_new_pair(self, alice: Person):
        body = await alice.do("POST", "/api/auth/refresh", {"refreshToken": alice.refresh_token})

        assert set(body["data"]) == {"token", "refreshToken", "expiresIn"}
        assert body["data"]["refreshToken"] != alice.refresh_token
        alice.token = body["data"]["token"]
        assert (await alice.get("/api/auth/me"))["email"] == alice.email

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "é" * 20])
    async def test_refuses_an_invalid_refresh_token(self, guest: Person, token: str):
        response = await guest.request("POST", "/api/auth/refresh", json={"refreshToken": token})

        assert response.status_code == (401 if token else 400)
        assert message_of(response) == (
            "Invalid or expired refresh token" if token else "Validation failed"
        )

    async def test_refuses_an_access_token(self, alice: Person):
        response = await alice.request(
            "POST", "/api/auth/refresh", json={"refreshToken": alice.token}
        )

        assert response.status_code == 401

    async def test_of_a_token_from_two_exchanges_ago_ends_the_session(self, alice):
        tokens = [alice.refresh_token]
        for _ in range(2):
            body = await alice.do("POST", "/api/auth/refresh", {"refreshToken": tokens[-1]})
            tokens.append(body["data"]["refreshToken"])

        stolen = await alice.request("POST", "/api/auth/refresh", json={"refreshToken": tokens[0]})

        assert stolen.status_code == 401
        latest = await alice.request("POST", "/api/auth/refresh", json={"refreshToken": tokens[-1]})
        assert latest.status_code == 401
        assert (await alice.request("GET", "/api/auth/me")).status_code == 401


class TestSignOut:
    @pytest.mark.parametrize("path", ["/api/auth/logout", "/api/user/logout"])
    async def test_ends_the_tokens_and_clears_the_cookies(self, alice: Person, path: str):
        answer = await alice.request("POST", path)

        assert answer.json() == {"success": True, "message": "Logged out successfully"}
        cleared = answer.headers.get_list("set-cookie")
        assert {cookie.partition("=")[0] for cookie in cleared} == {
            "token",
            "refreshToken",
            "sessionId",
        }
        assert all("Max-Age=0" in cookie and "Path=/" in cookie for cookie in cleared)
        assert (await alice.request("GET", "/api/auth/me")).status_code == 401
        given = {"refreshToken": alice.refresh_token}
        assert (await alice.request("POST", "/api/auth/refresh", json=given)).status_code == 401

    async def test_leaves_other_devices_signed_in(self, guest: Person, alice: Person):
        await guest.sign_in(alice.email)

        await alice.do("POST", "/api/auth/logout")

        assert (await guest.get("/api/auth/me"))["id"] == alice.id


class TestForgottenPassword:
    async def test_gets_the_same_response_for_every_address(self, guest: Person, alice: Person):
        answers = [
            await guest.do("POST", "/api/auth/forgot-password", {"email": email})
            for email in (alice.email, new_email())
        ]

        assert answers[0] == answers[1]
        assert set(answers[0]) == {"success", "message"}

    @pytest.mark.parametrize("given", [{}, {"email": 1}, {"email": " "}, {"email": None}], ids=str)
    async def test_requires_an_address(self, guest: Person, given):
        response = await guest.request("POST", "/api/auth/forgot-password", json=given)

        assert response.status_code == 400
        assert message_of(response) == "Email is required"

    async def test_stays_valid_until_another_is_set(self, guest, alice):
        await guest.do("POST", "/api/auth/forgot-password", {"email": alice.email})

        assert (await guest.sign_in(alice.email))["user"]["id"] == alice.id

    async def test_is_replaced_once_with_the_mailed_link(self, guest, alice, stocked):
        await guest.do("POST", "/api/auth/forgot-password", {"email": alice.email})
        given = {
            "token": await mailed_token(stocked, alice, Purpose.RESET_PASSWORD),
            "newPassword": "Another-Door-2",
        }

        await guest.do("POST", "/api/auth/reset-password", given)

        again = await guest.request("POST", "/api/auth/reset-password", json=given)
        assert again.status_code == 400
        assert (await alice.request("GET", "/api/auth/me")).status_code == 401
        assert (await guest.sign_in(alice.email, "Another-Door-2"))["user"]["id"] == alice.id

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"token": "x"},
            {"newPassword": PASSWORD},
            {"token": 1, "newPassword": PASSWORD},
            {"token": "x", "newPassword": PASSWORD},
            {"token": "a.b", "newPassword": PASSWORD},
            {"token": "", "newPassword": PASSWORD},
        ],
        ids=str,
    )
    async def test_is_not_replaced_with_an_invalid_link(self, guest: Person, given):
        response = await guest.request("POST", "/api/auth/reset-password", json=given)

        assert response.status_code == 400


class TestVerification:
    async def test_accepts_the_mailed_code(self, alice: Person, stocked: Database):
        answer = await alice.do("POST", "/api/auth/send-verification-code")
        proof_id = await mailed_proof(stocked, alice, Purpose.VERIFY_EMAIL)
        code = account_services().email_token_keys.code(proof_id)

        await alice.do("POST", "/api/auth/verify-email", {"code": code})

        assert code not in str(answer)
        assert (await alice.get("/api/auth/me"))["emailVerified"] is True
        again = await alice.request("POST", "/api/auth/send-verification-code")
        assert again.status_code == 400

    async def test_accepts_the_token_of_the_mailed_link_without_a_sign_in(
        self, alice, guest, stocked
    ):
        token = await mailed_token(stocked, alice, Purpose.VERIFY_EMAIL)

        await guest.do("POST", "/api/auth/verify-email", {"token": token})

        assert (await alice.get("/api/auth/me"))["emailVerified"] is True

    async def test_refuses_every_code_after_five_wrong_ones(self, alice, stocked):
        proof_id = await mailed_proof(stocked, alice, Purpose.VERIFY_EMAIL)
        right = account_services().email_token_keys.code(proof_id)
        wrong = f"{(int(right) + 1) % 1_000_000:06}"

        for code in [wrong] * 5 + [right]:
            answer = await alice.request("POST", "/api/auth/verify-email", json={"code": code})
            assert answer.status_code == 400

        assert (await alice.get("/api/auth/me"))["emailVerified"] is False

    @pytest.mark.parametrize("given", [{}, {"code": ""}, {"code": 123456}, {"token": 1}], ids=str)
    async def test_refuses_a_malformed_code(self, alice: Person, given):
        response = await alice.request("POST", "/api/auth/verify-email", json=given)

        assert response.status_code == 400

    async def test_by_code_requires_a_sign_in(self, guest: Person):
        response = await guest.request("POST", "/api/auth/verify-email", json={"code": "123456"})

        assert response.status_code == 401


class TestLimits:
    async def test_return_the_time_to_wait(self, guest: Person):
        email = new_email()
        answers: list[httpx2.Response] = [
            await guest.request("POST", "/api/auth/forgot-password", json={"email": email})
            for _ in range(4)
        ]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 3600
        assert answers[-1].headers["cache-control"] == "no-store"
        assert message_of(answers[-1])
