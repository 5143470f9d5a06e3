"""Money that customers pay in: begun, notified, credited once."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.rules import ERASED_DOMAIN
from keyshop.kit.secrets import Secret
from keyshop.wallet import ledger
from keyshop.wallet.begin_top_up import TopUpRequest, begin_top_up
from keyshop.wallet.errors import (
    BadAmount,
    BadCurrency,
    BadMethod,
    BadNotification,
    BadPaymentSignature,
    BalanceTooLarge,
    IntentIdMissing,
    PaymentNotFound,
    TooManyTopUps,
    TopUpsUnavailable,
)
from keyshop.wallet.expire_top_ups import delete_unpaid_top_ups, expire_top_ups
from keyshop.wallet.handle_notification import handle_notification
from keyshop.wallet.models import Outcome, Payment
from keyshop.wallet.protocol import ProviderUnavailable, Redirect
from keyshop.wallet.signature import sign
from tests.factories.games import NOON
from tests.factories.payments import PAYMENTS, SECRET, begin, body_of, intent_of, notify
from tests.factories.wallet import balance_of, ledger_of, make_customer, set_balance

DAY = timedelta(days=1)


class TestBeginning:
    async def test_credits_nothing_and_leads_to_the_providers_page(self, db) -> None:
        customer = await make_customer(db, "0")

        top_up = await begin(db, customer, Decimal("25.5"))

        assert top_up.redirect_url == f"http://shop.test/payment/demo/{top_up.id}"
        assert (top_up.amount, top_up.status) == (Decimal("25.50"), "pending")
        assert (await intent_of(db, top_up))["expires_at"] == NOON + DAY
        assert await balance_of(db, customer) == 0

    async def test_refuses_what_is_no_amount_in_euros_and_cents(self, db) -> None:
        customer = await make_customer(db, "0")

        amounts: list[Any] = [0, -1, 1_000_001, 10**40, True, None, "25.00", [25], {}]
        amounts += map(
            Decimal, ("0.001", "25.005", "-0.01", "1000000.01", "1e-400", "NaN", "Infinity")
        )
        currencies: list[Any] = ["PLN", "eur", None, 1, []]
        methods: list[Any] = ["paypal", "CARD", None, 1, [], {}]

        for amount in amounts:
            with pytest.raises(BadAmount):
                await begin(db, customer, amount)
        for currency in currencies:
            with pytest.raises(BadCurrency):
                await begin(db, customer, currency=currency)
        for method in methods:
            with pytest.raises(BadMethod):
                await begin(db, customer, method=method)

    async def test_needs_a_provider_and_a_customer(self, db) -> None:
        customer = await make_customer(db, "0")
        wanted = TopUpRequest(user_id=customer, amount=5, currency="EUR", method="card")

        with pytest.raises(TopUpsUnavailable):
            await begin_top_up(db, None, wanted, now=NOON)
        with pytest.raises(UserNotFound):
            await begin(db, "deleted")

    async def test_stops_at_twenty_unpaid_ones_even_at_once(self, db) -> None:
        customer = await make_customer(db, "0")

        begun = await asyncio.gather(
            *(begin(db, customer, 1) for _ in range(30)), return_exceptions=True
        )

        assert sum(isinstance(outcome, TooManyTopUps) for outcome in begun) == 10
        # After a day they no longer count.
        await begin(db, customer, 1, now=NOON + DAY)

    async def test_leaves_room_for_all_that_is_unpaid(self, db) -> None:
        customer = await make_customer(db, "0.01")
        await begin(db, customer, 600_000)

        with pytest.raises(BalanceTooLarge):
            await begin(db, customer, 400_000)
        await begin(db, customer, Decimal("399999.99"))

    async def test_with_a_provider_that_fails_leaves_nothing_unpaid(self, db) -> None:
        class Broken:
            name = "broken"

            async def begin(self, intent):
                raise ProviderUnavailable

        customer = await make_customer(db, "0")
        wanted = TopUpRequest(user_id=customer, amount=5, currency="EUR", method="card")

        with pytest.raises(ProviderUnavailable):
            await begin_top_up(db, Broken(), wanted, now=NOON)

        async with db.read() as reader:
            states = await reader.fetch("SELECT state FROM keyshop.top_up_intents")
        assert [record["state"] for record in states] == ["failed"]

    async def test_keeps_the_providers_own_id(self, db) -> None:
        class Other:
            name = "other"

            async def begin(self, intent):
                return Redirect(url="https://pay.example/1", provider_id="pay-1")

        customer = await make_customer(db, "0")
        wanted = TopUpRequest(user_id=customer, amount=5, currency="EUR", method="klarna")

        top_up = await begin_top_up(db, Other(), wanted, now=NOON)

        assert (await intent_of(db, top_up))["provider_id"] == "pay-1"


class TestPaidTopUp:
    async def test_is_credited_with_its_row(self, db) -> None:
        customer = await make_customer(db, "0")
        top_up = await begin(db, customer)
        body = body_of(top_up, transactionId="pay-1")

        assert await notify(db, body) is Outcome.CREDITED

        (row,) = await ledger_of(db, customer)
        assert (row["type"], row["amount"], row["method"], row["transactionHash"]) == (
            "TOP_UP",
            Decimal("25.00"),
            "card",
            "pay-1",
        )
        assert msgspec.json.decode(row["gatewayResponse"])["email"] == "alice@example.com"
        assert await balance_of(db, customer) == Decimal("25.00")

    async def test_is_credited_once_by_fifty_notifications_at_once(self, db) -> None:
        customer = await make_customer(db, "0")
        body = body_of(await begin(db, customer))

        outcomes = await asyncio.gather(*(notify(db, body) for _ in range(50)))

        assert sorted(outcomes) == [Outcome.CREDITED, *[Outcome.REPEATED] * 49]
        assert await balance_of(db, customer) == Decimal("25.00")
        assert len(await ledger_of(db, customer)) == 1

    async def test_pays_for_no_other_top_up_even_at_once(self, db) -> None:
        customer, other = await make_customer(db, "0"), await make_customer(db, "0")
        bodies = [
            body_of(await begin(db, whose), transactionId="pay-1")
            for whose in (customer, other) * 5
        ]

        outcomes = await asyncio.gather(*(notify(db, body) for body in bodies))

        assert sorted(outcomes) == [Outcome.CREDITED, *[Outcome.HELD] * 9]
        assert await balance_of(db, customer) + await balance_of(db, other) == Decimal("25.00")

    async def test_is_credited_after_it_failed_or_expired(self, db) -> None:
        customer = await make_customer(db, "0")
        failed, expired = await begin(db, customer), await begin(db, customer)
        await notify(db, body_of(failed, status="failed"))
        async with db.transaction() as tx:
            assert await expire_top_ups(tx, now=NOON + DAY) == 1

        for top_up in (failed, expired):
            assert await notify(db, body_of(top_up), now=NOON + DAY) is Outcome.CREDITED

        assert await balance_of(db, customer) == Decimal("50.00")

    async def test_that_is_paid_again_is_left_to_an_operator(self, db) -> None:
        customer = await make_customer(db, "0")
        top_up = await begin(db, customer)
        await notify(db, body_of(top_up, transactionId="pay-1"))

        with capture_logs() as logs:
            outcome = await notify(db, body_of(top_up, transactionId="pay-2"))

        assert outcome is Outcome.SECOND_PAYMENT
        assert [log["log_level"] for log in logs if log["event"] == "top_up.needs_operator"] == [
            "error"
        ]
        intent = await intent_of(db, top_up)
        assert (intent["state"], intent["held_reason"]) == ("completed", "paid again as pay-2")
        assert await balance_of(db, customer) == Decimal("25.00")

    async def test_is_not_undone_by_a_late_failure(self, db) -> None:
        customer = await make_customer(db, "0")
        top_up = await begin(db, customer)
        await notify(db, body_of(top_up))

        with capture_logs() as logs:
            assert await notify(db, body_of(top_up, status="failed")) is Outcome.IGNORED

        assert "top_up.needs_operator" in {log["event"] for log in logs}
        assert (await intent_of(db, top_up))["state"] == "completed"


class TestPaymentThatDoesNotFit:
    @staticmethod
    async def held(db, top_up, **fields) -> str:
        """Notify, and return why it is held; later notifications credit nothing."""
        body = body_of(top_up, **fields)
        with capture_logs() as logs:
            assert await notify(db, body) is Outcome.HELD
        assert [log["event"] for log in logs if log["log_level"] == "error"] == [
            "top_up.needs_operator"
        ]
        assert await notify(db, body) is Outcome.REPEATED
        with capture_logs() as logs:
            for _ in range(2):
                second = body_of(top_up, transactionId="second")
                assert await notify(db, second) is Outcome.SECOND_PAYMENT
        assert {log["event"] for log in logs if log["log_level"] == "error"} == {
            "top_up.needs_operator"
        }
        intent = await intent_of(db, top_up)
        assert intent["state"] == "held"
        reason, second_reason = intent["held_reason"].split("; ")
        assert second_reason == "paid again as second"
        return str(reason)

    async def test_is_held_for_another_amount_or_currency(self, db) -> None:
        customer = await make_customer(db, "0")

        for fields in (
            {"amount": 250},
            {"amount": Decimal("25.001")},
            {"amount": -25},
            {"currency": "PLN"},
        ):
            reason = await self.held(db, await begin(db, customer), **fields)
            assert reason == "another amount or currency was paid"

        assert await balance_of(db, customer) == 0

    async def test_is_held_for_a_customer_who_is_gone(self, db) -> None:
        deleted, erased = await make_customer(db, "0"), await make_customer(db, "0")
        top_ups = [await begin(db, deleted), await begin(db, erased)]
        async with db.transaction() as tx:
            await tx.execute("DELETE FROM users WHERE id = $1", deleted)
            await tx.execute("UPDATE users SET email = $2 WHERE id = $1", erased, ERASED_DOMAIN)

        for top_up in top_ups:
            assert "deleted or erased" in await self.held(db, top_up)

        assert await balance_of(db, erased) == 0

    async def test_is_held_where_the_balance_would_be_too_large(self, db) -> None:
        customer = await make_customer(db, "0")
        top_up = await begin(db, customer)
        await set_balance(db, customer, "999999.00")

        assert "exceed 1000000 EUR" in await self.held(db, top_up)

    async def test_is_held_when_another_program_has_its_id(self, db) -> None:
        customer = await make_customer(db, "0")
        top_up = await begin(db, customer)
        async with db.transaction() as tx:
            payment = Payment(method="card", description="By hand", hash="pay-1")
            await ledger.credit(tx, user_id=customer, amount=Decimal(1), payment=payment, now=NOON)

        assert "credited for another" in await self.held(db, top_up, transactionId="pay-1")


class TestNotification:
    async def test_needs_the_signature_of_exactly_this_body(self, db) -> None:
        customer = await make_customer(db, "0")
        body = body_of(await begin(db, customer))
        right = sign(SECRET, body)

        for signature in (
            *(None, "", "sha256=", right[:-1], right.upper(), right.removeprefix("sha256=")),
            *(
                f"{right} ",
                "sha256=é",
                sign(Secret("another" * 9), body),
                sign(SECRET, body + b" "),
            ),
        ):
            with pytest.raises(BadPaymentSignature):
                await handle_notification(db, PAYMENTS.secrets, body, signature, now=NOON)
        with pytest.raises(BadPaymentSignature):
            await handle_notification(db, (), body, right, now=NOON)

        assert await balance_of(db, customer) == 0

    async def test_is_accepted_by_any_of_the_secrets(self, db) -> None:
        customer = await make_customer(db, "0")
        body = body_of(await begin(db, customer))
        secrets = [Secret("newest" * 9), SECRET]

        outcome = await handle_notification(db, secrets, body, sign(SECRET, body), now=NOON)

        assert outcome is Outcome.CREDITED

    async def test_that_cannot_be_understood_is_refused(self, db) -> None:
        customer = await make_customer(db, "0")
        top_up = await begin(db, customer)

        for body, error in (
            (b"", BadNotification),
            (b"\xff", BadNotification),
            (b"[" * 60_000, BadNotification),
            (b"[]", BadNotification),
            (b"null", BadNotification),
            (b"{}", IntentIdMissing),
            (b'{"intentId": ""}', IntentIdMissing),
            (body_of(top_up, intentId=None), IntentIdMissing),
            (body_of(top_up, intentId=[]), BadNotification),
            (body_of(top_up, intentId="a\0b"), BadNotification),
            (body_of(top_up, intentId="unknown"), PaymentNotFound),
            (body_of(top_up, status=None), BadNotification),
            (body_of(top_up, transactionId=None), BadNotification),
            (body_of(top_up, transactionId=""), BadNotification),
            (body_of(top_up, transactionId=7), BadNotification),
            (body_of(top_up, transactionId="x" * 256), BadNotification),
            (body_of(top_up, transactionId="pay\0"), BadNotification),
            (body_of(top_up, amount="25.00"), BadNotification),
            (body_of(top_up, amount=True), BadNotification),
            (body_of(top_up, amount=None), BadNotification),
            (body_of(top_up).replace(b"25.00", b"1e999999999999999999999"), BadNotification),
            (body_of(top_up).replace(b"25.00", b"9" * 5000), BadNotification),
            (body_of(top_up).replace(b"25.00", b"NaN"), BadNotification),
            (body_of(top_up, currency=978), BadNotification),
        ):
            with pytest.raises(error):
                await notify(db, body)

        assert (await intent_of(db, top_up))["state"] == "pending"
        assert await balance_of(db, customer) == 0

    async def test_counts_whatever_its_other_fields_hold(self, db) -> None:
        customer = await make_customer(db, "0")
        for strange in (
            "A\0lice",
            "x" * 5000,
            ["Alice"],
            {"a": 1},
            None,
            7,
            10**30,
            Decimal("1e300"),
        ):
            body = body_of(await begin(db, customer, 1), name=strange, timestamp=strange)
            assert await notify(db, body) is Outcome.CREDITED

    async def test_of_any_other_status_changes_nothing(self, db) -> None:
        customer = await make_customer(db, "0")
        top_up = await begin(db, customer)

        with capture_logs() as logs:
            assert await notify(db, body_of(top_up, status="pending")) is Outcome.IGNORED
        assert not [log for log in logs if log["log_level"] == "error"]
        for status in ("COMPLETED", "Completed", "completed ", "", "refunded", "chargeback"):
            with capture_logs() as logs:
                assert await notify(db, body_of(top_up, status=status)) is Outcome.IGNORED
            assert [log["event"] for log in logs if log["log_level"] == "error"] == [
                "top_up.needs_operator"
            ]

        assert (await intent_of(db, top_up))["state"] == "pending"

    @pytest.mark.parametrize("status", ["failed", "cancelled"])
    async def test_of_a_failure_ends_the_top_up(self, db, status) -> None:
        top_up = await begin(db, await make_customer(db, "0"))

        assert await notify(db, body_of(top_up, status=status)) is Outcome.FAILED

        assert (await intent_of(db, top_up))["state"] == "failed"


class TestExpiry:
    async def test_ends_only_what_is_unpaid_for_a_day(self, db) -> None:
        customer = await make_customer(db, "0")
        old, paid = await begin(db, customer), await begin(db, customer)
        new = await begin(db, customer, now=NOON + timedelta(seconds=1))
        await notify(db, body_of(paid))

        async with db.transaction() as tx:
            assert await expire_top_ups(tx, now=NOON + DAY) == 1
        async with db.transaction() as tx:
            assert await expire_top_ups(tx, now=NOON + DAY) == 0

        states = [(await intent_of(db, top_up))["state"] for top_up in (old, paid, new)]
        assert states == ["expired", "completed", "pending"]

    async def test_is_followed_by_deletion_of_what_was_never_paid(self, db) -> None:
        customer = await make_customer(db, "0")
        _, failed, paid, held, late = [await begin(db, customer, 5) for _ in range(5)]
        await notify(db, body_of(failed, status="failed"))
        await notify(db, body_of(paid))
        await notify(db, body_of(held, amount=1))
        async with db.transaction() as tx:
            await expire_top_ups(tx, now=NOON + DAY)
        await notify(db, body_of(late), now=NOON + DAY)

        async with db.transaction() as tx:
            assert await delete_unpaid_top_ups(tx, before=NOON + 2 * DAY) == 2

        async with db.read() as reader:
            left = await reader.fetch("SELECT id FROM keyshop.top_up_intents")
        assert {record["id"] for record in left} == {paid.id, held.id, late.id}
