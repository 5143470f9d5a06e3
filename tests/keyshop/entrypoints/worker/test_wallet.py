"""The worker lets unpaid top-ups expire."""

from datetime import timedelta

from keyshop.entrypoints.worker.wallet import on_top_up_expiry_due
from keyshop.wallet.jobs import TopUpExpiryDue
from tests.factories.games import NOON
from tests.factories.jobs import ProbeShop
from tests.factories.payments import begin, intent_of
from tests.factories.wallet import make_customer

DAY = timedelta(days=1)


class TestTopUpExpiry:
    async def test_is_judged_by_the_time_at_which_the_job_was_due(self, db, database_url) -> None:
        customer = await make_customer(db, "0")
        old = await begin(db, customer)
        new = await begin(db, customer, now=NOON + timedelta(minutes=1))

        await on_top_up_expiry_due(ProbeShop(db, database_url), TopUpExpiryDue(due_at=NOON + DAY))

        assert (await intent_of(db, old))["state"] == "expired"
        assert (await intent_of(db, new))["state"] == "pending"
