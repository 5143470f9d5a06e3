"""What explains a balance, also when other programs change it."""

from decimal import Decimal

import pytest

from keyshop.accounts.errors import UserNotFound
from keyshop.accounts.rules import ERASED_DOMAIN
from keyshop.journal.models import Subject
from keyshop.journal.queries import list_entries
from keyshop.kit.database.pool import Database
from keyshop.kit.ids import new_id
from keyshop.wallet import ledger
from keyshop.wallet.adopt_changes import adopt_changes
from keyshop.wallet.correct_balance import OperatorsAct, credit_user, debit_user
from keyshop.wallet.errors import BalanceTooLarge, InsufficientBalance
from keyshop.wallet.models import Adopted
from keyshop.wallet.show_statement import Statement, show_statement
from tests.factories.games import NOON
from tests.factories.payments import begin, body_of, notify
from tests.factories.wallet import balance_of, ledger_of, make_customer, set_balance

_ADD_ROW = """
    INSERT INTO transactions (id, "userId", type, amount, status)
    VALUES ($1, $2, $3::text::"TransactionType", $4::text::numeric, $5::text::"PaymentStatus")
"""


async def statement_of(db: Database, customer: str) -> Statement:
    async with db.read() as reader:
        return await show_statement(reader, customer)


async def violations_of(db: Database, customer: str) -> set[str]:
    async with db.read() as reader:
        sql = "SELECT name FROM keyshop.violations WHERE subject_id = $1"
        return {record["name"] for record in await reader.fetch(sql, customer)}


async def add_foreign_row(db: Database, customer: str, amount: str, status="COMPLETED") -> str:
    row = new_id()
    async with db.transaction() as tx:
        await tx.execute(_ADD_ROW, row, customer, "TOP_UP", amount, status)
    return row


async def adopt(db: Database, customer: str, reason: str = "Sold at the counter") -> Adopted:
    async with db.transaction() as tx:
        return await adopt_changes(tx, customer, reason=reason, by="olga", now=NOON)


async def act(db: Database, do, customer: str, amount: str):
    what = OperatorsAct(user_id=customer, amount=Decimal(amount), reason="Sorry", by="olga")
    async with db.transaction() as tx:
        return await do(tx, what, now=NOON)


async def journal_of(db: Database, customer: str) -> list[tuple[str, str, object]]:
    async with db.read() as reader:
        entries = await list_entries(reader, Subject("user", customer))
    return [(entry.actor, entry.action, entry.details.get("reason")) for entry in entries]


class TestStatement:
    async def test_explains_a_balance_line_by_line(self, db) -> None:
        customer = await make_customer(db, "0")
        await notify(db, body_of(await begin(db, customer), transactionId="pay-1"))
        await act(db, debit_user, customer, "5.00")

        shown = await statement_of(db, customer)

        assert [(line.kind, line.amount) for line in shown.lines] == [
            ("top_up", Decimal("25.00")),
            ("purchase", Decimal("-5.00")),
        ]
        assert shown.balance == shown.explained == Decimal("20.00")
        assert shown.unadopted == 0

    async def test_shows_what_other_programs_changed(self, db) -> None:
        customer = await make_customer(db, "10.00")
        await set_balance(db, customer, "7.50")
        row = await add_foreign_row(db, customer, "99.00")

        shown = await statement_of(db, customer)

        foreign = {line.kind: line for line in shown.lines if line.is_foreign}
        assert foreign["other program: balance"].amount == Decimal("-2.50")
        added = foreign["other program: row added"]
        assert (added.id, added.amount, added.ledger_amount) == (
            row,
            Decimal(0),
            Decimal("99.00"),
        )
        assert shown.balance == shown.explained == Decimal("7.50")
        assert shown.unadopted == Decimal("-101.50")

    async def test_of_a_balance_that_another_program_made_no_number_adds_up_again(self, db) -> None:
        customer = await make_customer(db, "10.00")
        await set_balance(db, customer, "NaN")
        async with db.transaction() as tx:
            await ledger.refund(
                tx, user_id=customer, amount=Decimal(3), description="Sold out", now=NOON
            )

        shown = await statement_of(db, customer)

        assert shown.balance == shown.explained == Decimal("3.00")
        assert "balance_equation" not in await violations_of(db, customer)

    async def test_shows_payments_that_do_not_fit(self, db) -> None:
        customer = await make_customer(db, "0")
        top_up = await begin(db, customer)
        await notify(db, body_of(top_up, amount=1))

        (odd,) = (await statement_of(db, customer)).odd_top_ups

        assert (odd.id, odd.state) == (top_up.id, "held")

    async def test_of_an_account_without_money_has_no_lines(self, db) -> None:
        shown = await statement_of(db, await make_customer(db, "0"))

        assert shown.lines == []
        assert shown.balance == shown.explained == 0


class TestAdoption:
    async def test_explains_without_moving_money(self, db) -> None:
        customer = await make_customer(db, "10.00")
        await set_balance(db, customer, "12.00")
        assert await violations_of(db, customer) == {"unexplained_change"}

        adopted = await adopt(db, customer)

        assert adopted == Adopted(changes=1, balance=Decimal("2.00"), ledger=Decimal(0))
        assert await violations_of(db, customer) == set()
        assert await balance_of(db, customer) == Decimal("12.00")
        assert len(await ledger_of(db, customer)) == 1
        shown = await statement_of(db, customer)
        assert [line.adopted_by for line in shown.lines if line.is_foreign] == ["olga"]
        assert shown.unadopted == 0
        assert await journal_of(db, customer) == [("olga", "wallet.adopt", "Sold at the counter")]

    async def test_of_a_balance_with_its_row_is_not_needed(self, db) -> None:
        customer = await make_customer(db, "10.00")
        await set_balance(db, customer, "12.00")
        await add_foreign_row(db, customer, "2.00")
        await add_foreign_row(db, customer, "500.00", "PENDING")

        assert await violations_of(db, customer) == set()
        assert (await statement_of(db, customer)).unadopted == 0

    async def test_of_nothing_leaves_no_entry(self, db) -> None:
        customer = await make_customer(db)

        assert (await adopt(db, customer)).changes == 0
        assert await journal_of(db, customer) == []

    async def test_covers_no_later_change_and_no_other_customer(self, db) -> None:
        customer, other = await make_customer(db), await make_customer(db)
        for whose in (customer, other):
            await set_balance(db, whose, "1.00")
        await adopt(db, customer)
        await set_balance(db, customer, "2.00")

        for whose in (customer, other):
            assert await violations_of(db, whose) == {"unexplained_change"}

    async def test_needs_an_account(self, db) -> None:
        with pytest.raises(UserNotFound):
            await adopt(db, "deleted")


class TestOperator:
    async def test_gives_and_takes_money_with_rows_and_journal(self, db) -> None:
        customer = await make_customer(db, "0")

        await act(db, credit_user, customer, "10.00")
        await act(db, debit_user, customer, "10.00")

        assert [
            (row["type"], row["amount"], row["method"]) for row in await ledger_of(db, customer)
        ] == [
            ("TOP_UP", Decimal("10.00"), "operator"),
            ("PURCHASE", Decimal("-10.00"), "operator"),
        ]
        assert await journal_of(db, customer) == [
            ("olga", "wallet.debit", "Sorry"),
            ("olga", "wallet.top-up", "Sorry"),
        ]
        assert await violations_of(db, customer) == set()

    async def test_takes_no_more_than_there_is_and_gives_no_more_than_fits(self, db) -> None:
        customer = await make_customer(db, "10.00")

        with pytest.raises(InsufficientBalance):
            await act(db, debit_user, customer, "10.01")
        with pytest.raises(BalanceTooLarge):
            await act(db, credit_user, customer, "999990.01")

        assert await balance_of(db, customer) == Decimal("10.00")
        assert await journal_of(db, customer) == []

    async def test_changes_no_erased_account(self, db) -> None:
        customer = await make_customer(db)
        async with db.transaction() as tx:
            await tx.execute("UPDATE users SET email = $2 WHERE id = $1", customer, ERASED_DOMAIN)

        for do in (credit_user, debit_user):
            for whose in (customer, "deleted"):
                with pytest.raises(UserNotFound):
                    await act(db, do, whose, "1.00")
