"""A balance changes only together with the row of the ledger that explains it."""

import asyncio
from decimal import Decimal

import pytest

from keyshop.accounts.rules import ERASED_DOMAIN
from keyshop.kit.ids import new_id
from keyshop.wallet import ledger
from keyshop.wallet.errors import BalanceTooLarge, InsufficientBalance
from keyshop.wallet.models import Payment
from tests.factories.games import NOON
from tests.factories.wallet import (
    balance_of,
    ledger_of,
    make_customer,
    set_balance,
    sum_of_ledger,
)


async def spend(db, customer: str, amount: str, *, order: str | None = None):
    order = order or new_id()
    async with db.transaction() as tx:
        await ledger.lock_wallet(tx, customer)
        await tx.execute(
            'INSERT INTO orders (id, "userId", subtotal, total) VALUES ($1, $2, 0, 0)',
            order,
            customer,
        )
        return await ledger.spend(
            tx, user_id=customer, amount=Decimal(amount), order_id=order, now=NOON
        )


async def debit(db, customer: str, amount: str):
    async with db.transaction() as tx:
        return await ledger.debit(
            tx, user_id=customer, amount=Decimal(amount), description="A correction", now=NOON
        )


async def refund(db, customer: str, amount: str):
    async with db.transaction() as tx:
        return await ledger.refund(
            tx, user_id=customer, amount=Decimal(amount), description="Sold out", now=NOON
        )


async def credit(db, customer: str, amount: str, **of_payment):
    payment = Payment(**{"method": "card", "description": "Top-up"} | of_payment)
    async with db.transaction() as tx:
        return await ledger.credit(
            tx, user_id=customer, amount=Decimal(amount), payment=payment, now=NOON
        )


_OF_TAKING = (spend, debit)
_ALL = (spend, debit, refund, credit)


class TestSpending:
    async def test_takes_the_amount_and_names_the_order(self, db) -> None:
        customer = await make_customer(db, "20.00")

        entry = await spend(db, customer, "19.99", order="order-1")

        row = (await ledger_of(db, customer))[-1]
        assert entry.balance == await balance_of(db, customer) == Decimal("0.01")
        assert row["id"] == entry.id
        assert (row["type"], row["amount"], row["status"], row["method"], row["orderId"]) == (
            "PURCHASE",
            Decimal("-19.99"),
            "COMPLETED",
            "balance",
            "order-1",
        )

    async def test_of_nothing_has_a_row_of_zero_without_a_sign(self, db) -> None:
        customer = await make_customer(db, "0")

        await spend(db, customer, "0.00")

        (row,) = await ledger_of(db, customer)
        assert str(row["amount"]) == "0.00"
        assert await balance_of(db, customer) == 0

    async def test_by_fifty_at_once_takes_no_more_than_there_is(self, db) -> None:
        customer = await make_customer(db, "35.00")

        outcomes = await asyncio.gather(
            *(spend(db, customer, "10.00") for _ in range(50)), return_exceptions=True
        )

        refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert len(refused) == 47
        assert {type(outcome) for outcome in refused} == {InsufficientBalance}
        assert await balance_of(db, customer) == Decimal("5.00")
        assert await sum_of_ledger(db, customer) == Decimal("5.00")

    async def test_is_repeated_for_no_order(self, db) -> None:
        customer = await make_customer(db, "20.00")
        await spend(db, customer, "5.00", order="order-1")

        with pytest.raises(Exception, match="unique"):
            async with db.transaction() as tx:
                await ledger.spend(
                    tx, user_id=customer, amount=Decimal(5), order_id="order-1", now=NOON
                )

        assert await balance_of(db, customer) == Decimal("15.00")


class TestTakingMoney:
    @pytest.mark.parametrize("take", _OF_TAKING)
    async def test_of_more_than_there_is_does_nothing(self, db, take) -> None:
        customer = await make_customer(db, "9.99")

        with pytest.raises(InsufficientBalance):
            await take(db, customer, "10.00")

        assert await balance_of(db, customer) == Decimal("9.99")
        assert len(await ledger_of(db, customer)) == 1

    @pytest.mark.parametrize("take", _OF_TAKING)
    async def test_finds_nothing_in_a_balance_that_is_no_number(self, db, take) -> None:
        customer = await make_customer(db)
        await set_balance(db, customer, "NaN")

        with pytest.raises(InsufficientBalance):
            await take(db, customer, "0.01")

    async def test_by_an_operator_belongs_to_no_order(self, db) -> None:
        customer = await make_customer(db, "20.00")

        await debit(db, customer, "20.00")

        row = (await ledger_of(db, customer))[-1]
        assert (row["type"], row["amount"], row["method"], row["orderId"]) == (
            "PURCHASE",
            Decimal("-20.00"),
            "operator",
            None,
        )
        assert await balance_of(db, customer) == 0


class TestRefund:
    async def test_is_given_whatever_the_balance_is(self, db) -> None:
        customer = await make_customer(db, "0")
        await set_balance(db, customer, "1000000.00")

        await refund(db, customer, "5.00")

        assert await balance_of(db, customer) == Decimal("1000005.00")
        assert (await ledger_of(db, customer))[-1]["type"] == "REFUND"

    async def test_to_a_balance_that_is_no_number_leaves_the_amount(self, db) -> None:
        customer = await make_customer(db)
        await set_balance(db, customer, "NaN")

        await refund(db, customer, "5.00")

        assert await balance_of(db, customer) == Decimal("5.00")

    async def test_of_nothing_has_no_row(self, db) -> None:
        customer = await make_customer(db)

        assert await refund(db, customer, "0.00") is None
        assert len(await ledger_of(db, customer)) == 1

    async def test_to_a_deleted_customer_does_nothing(self, db) -> None:
        assert await refund(db, "deleted", "5.00") is None


class TestCredit:
    async def test_has_a_row_with_what_the_provider_sent(self, db) -> None:
        customer = await make_customer(db, "0")

        await credit(db, customer, "7.50", hash="payment-1", response='{"paid": true}')

        (row,) = await ledger_of(db, customer)
        assert (row["type"], row["amount"], row["method"]) == ("TOP_UP", Decimal("7.50"), "card")
        assert (row["transactionHash"], row["gatewayResponse"]) == ("payment-1", '{"paid": true}')

    async def test_up_to_the_largest_balance_is_taken_and_no_cent_more(self, db) -> None:
        customer = await make_customer(db, "0.01")

        await credit(db, customer, "999999.99")
        with pytest.raises(BalanceTooLarge):
            await credit(db, customer, "0.01")

        assert await balance_of(db, customer) == Decimal("1000000.00")


class TestLedger:
    async def test_takes_no_amount_that_is_not_in_whole_cents(self, db) -> None:
        customer = await make_customer(db)

        for change in _ALL:
            for amount in ("-0.01", "NaN", "Infinity", "0.001", "1e-9"):
                with pytest.raises(ValueError, match="whole cents"):
                    await change(db, customer, amount)

        assert await balance_of(db, customer) == Decimal("100.00")

    async def test_leaves_no_mark_for_later_statements(self, db) -> None:
        customer = await make_customer(db)

        async with db.transaction() as tx:
            await ledger.refund(
                tx, user_id=customer, amount=Decimal(1), description="Sold out", now=NOON
            )
            with pytest.raises(InsufficientBalance):
                await ledger.debit(
                    tx, user_id=customer, amount=Decimal(999), description="No", now=NOON
                )
            assert not await tx.fetchval("SELECT keyshop.is_wallet()")

    async def test_adds_up_after_everything_at_once(self, db) -> None:
        customer = await make_customer(db, "50.00")

        await asyncio.gather(
            *(change(db, customer, f"{n}.37") for n in range(1, 8) for change in _ALL),
            return_exceptions=True,
        )

        assert len(await ledger_of(db, customer)) > 15
        assert await balance_of(db, customer) == await sum_of_ledger(db, customer)


class TestWallet:
    async def test_of_an_erased_customer_can_be_locked(self, db) -> None:
        customer = await make_customer(db)
        async with db.transaction() as tx:
            sql = "UPDATE users SET email = $2 WHERE id = $1"
            await tx.execute(sql, customer, f"someone{ERASED_DOMAIN}")

        async with db.transaction() as tx:
            wallet = await ledger.lock_wallet(tx, customer)

        assert wallet is not None
        assert (wallet.is_erased, wallet.balance) == (True, Decimal("100.00"))

    async def test_of_a_deleted_customer_is_none(self, db) -> None:
        async with db.transaction() as tx:
            assert await ledger.lock_wallet(tx, "deleted") is None

    async def test_that_is_no_number_counts_as_empty(self, db) -> None:
        customer = await make_customer(db)
        await set_balance(db, customer, "NaN")

        async with db.transaction() as tx:
            wallet = await ledger.lock_wallet(tx, customer)

        assert wallet is not None
        assert wallet.balance == 0
