"""A buyer's balance and ledger show their owner and their version."""

from decimal import Decimal

import msgspec
import pytest

from tests.consistency.answers import UNTRUE, read_answer
from tests.consistency.contents import nickname_of, user_of
from tests.consistency.keys import FIRST_VERSION, PERSONAL, Family, Kind, keys_of
from tests.consistency.wallets import (
    CENT,
    KEY_PRICE,
    UNITS,
    Step,
    balance_of,
    holdings_of,
    mark_of_ledger,
    read_balance,
    step_after,
    version_of,
)
from tests.consistency.writers.config import NEVER_SEEN_OF_PERSONS

BUYER, OTHER, *_ = sorted({key.owner for key in PERSONAL if key.kind is Kind.BUYER})
FOREIGN = next(key.owner for key in PERSONAL if key.kind is Kind.FOREIGN_BUYER)
KINDS = [Kind.BUYER, Kind.FOREIGN_BUYER]
VERSIONS = range(FIRST_VERSION, 3000)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_CHANGES = {
    Step.ORDER: -UNITS * KEY_PRICE,
    Step.CREDIT: CENT,
    Step.REFUND: KEY_PRICE,
    Step.SECOND_CREDIT: CENT,
    Step.SECOND_REFUND: KEY_PRICE,
}


def body(data: object) -> bytes:
    return _ENCODER.encode({"success": True, "data": data})


def row(amount: Decimal, status: str = "COMPLETED", description: str = "") -> dict[str, object]:
    return {"id": "x", "amount": amount, "status": status, "description": description}


def rows_of(owner: int, version: int) -> list[dict[str, object]]:
    """Return the ledger of a buyer at the version, the newest row first."""
    first = row(balance_of(Kind.BUYER, owner, FIRST_VERSION), description=mark_of_ledger(owner))
    made = [row(_CHANGES[step_after(before)]) for before in range(FIRST_VERSION, version)]
    return [*reversed(made), first]


class TestBalance:
    def test_changes_by_what_the_steps_cost(self):
        changes = {
            before: balance_of(Kind.BUYER, BUYER, before + 1)
            - balance_of(Kind.BUYER, BUYER, before)
            for before in VERSIONS
        }

        assert changes == {before: _CHANGES[step_after(before)] for before in VERSIONS}

    @pytest.mark.parametrize("kind", KINDS)
    def test_shows_owner_and_version(self, kind):
        shown = [read_balance(kind, balance_of(kind, BUYER, version)) for version in VERSIONS]

        assert shown == [({BUYER}, version) for version in VERSIONS]

    @pytest.mark.parametrize("kind", KINDS)
    def test_is_another_one_at_each_version_and_for_each_owner(self, kind):
        balances = {
            balance_of(kind, owner, version) for owner in (BUYER, OTHER) for version in VERSIONS
        }

        assert len(balances) == 2 * len(VERSIONS)

    def test_that_no_steps_lead_to_is_untrue(self):
        shown = read_balance(Kind.BUYER, balance_of(Kind.BUYER, BUYER, FIRST_VERSION) + CENT)

        assert shown == ({BUYER}, None)

    def test_is_never_negative(self):
        assert all(balance_of(Kind.BUYER, 0, version) >= 0 for version in VERSIONS)

    @pytest.mark.parametrize("kind", KINDS)
    def test_of_a_write_that_is_rolled_back_is_higher(self, kind):
        above = [
            balance_of(kind, BUYER, version + NEVER_SEEN_OF_PERSONS)
            - balance_of(kind, BUYER, version)
            for version in VERSIONS
        ]

        assert min(above) > 0

    def test_belongs_to_these_holdings(self):
        assert all(
            version_of(holdings_of(kind, version)) == version
            for kind in KINDS
            for version in VERSIONS
        )


class TestReadAnswer:
    @pytest.mark.parametrize("version", [2, 3, 4, 5, 6, 7, 88])
    def test_finds_owner_and_version_of_a_ledger(self, version):
        content = read_answer(keys_of(BUYER)[Family.TRANSACTIONS], body(rows_of(BUYER, version)))

        assert content == ({BUYER}, version, [])

    def test_rejects_a_ledger_that_lacks_a_row_in_the_middle(self):
        rows = rows_of(BUYER, 40)
        del rows[7]

        content = read_answer(keys_of(BUYER)[Family.TRANSACTIONS], body(rows))

        assert content.version == UNTRUE

    def test_finds_the_other_owner_in_anothers_ledger(self):
        content = read_answer(keys_of(BUYER)[Family.TRANSACTIONS], body(rows_of(OTHER, 9)))

        assert content.owners == {OTHER}

    def test_finds_the_other_owner_in_anothers_balance(self):
        shown = {"balance": balance_of(Kind.BUYER, OTHER, 9), "currency": "EUR"}

        content = read_answer(keys_of(BUYER)[Family.BALANCE], body(shown))

        assert content.owners == {OTHER}

    def test_finds_two_owners_in_a_profile_with_anothers_balance(self):
        shown = {
            "id": user_of(BUYER),
            "nickname": nickname_of(BUYER, 2),
            "balance": balance_of(Kind.BUYER, OTHER, 9),
        }

        content = read_answer(keys_of(BUYER)[Family.PROFILE], body(shown))

        assert content.owners == {BUYER, OTHER}

    @pytest.mark.parametrize(("games", "shown"), [(1, 5), (2, UNTRUE)])
    def test_rejects_a_profile_whose_games_contradict_its_balance(self, games, shown):
        profile = {
            "id": user_of(BUYER),
            "nickname": nickname_of(BUYER, 2),
            "balance": balance_of(Kind.BUYER, BUYER, 5),
            "stats": {"gamesPurchased": games},
        }

        content = read_answer(keys_of(BUYER)[Family.PROFILE], body(profile))

        assert content == ({BUYER}, shown, [])

    @pytest.mark.parametrize(
        ("statuses", "version"),
        [(["COMPLETED"], 2), (["PENDING", "COMPLETED"], 3), (["COMPLETED", "COMPLETED"], 4)],
    )
    def test_finds_whether_a_foreign_row_is_settled(self, statuses, version):
        rows = [row(CENT, status, mark_of_ledger(FOREIGN)) for status in statuses]

        content = read_answer(keys_of(FOREIGN)[Family.TRANSACTIONS], body(rows))

        assert content == ({FOREIGN}, version, [])
