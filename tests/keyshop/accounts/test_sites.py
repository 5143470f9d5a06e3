"""One IPv6 site has 65,536 networks of /64, and must not be as many clients."""

import asyncio
from datetime import timedelta

import pytest

from keyshop.accounts.models import ClientInfo
from keyshop.accounts.passwords import PasswordPool, TooManyPasswords
from keyshop.accounts.request_reset import request_reset
from keyshop.accounts.rules import MAILS_PER_CLIENT, client_key
from keyshop.kit.client_limits import (
    CLIENTS_OF_SITE,
    find_site,
    refund_client,
    take_for_client,
)
from keyshop.kit.database.pool import Database
from keyshop.kit.errors import TooMany
from keyshop.kit.limits import Limit
from tests.factories.browsers import new_email
from tests.factories.games import NOON

TWICE = Limit("twice", burst=2, per=timedelta(hours=1))


class TestSite:
    @pytest.mark.parametrize(
        ("address", "site"),
        [
            ("2001:db8:7:1::5", "2001:db8:7::/48"),
            ("2001:db8:7:ffff:1:2:3:4", "2001:db8:7::/48"),
            ("192.0.2.1", None),
            ("::ffff:192.0.2.1", None),
            ("unknown", None),
            ("", None),
        ],
    )
    def test_is_the_network_of_48_bits(self, address: str, site: str | None):
        assert find_site(client_key(address)) == site


class TestLimit:
    async def test_holds_for_a_whole_site(self, db: Database):
        for number in range(TWICE.burst * CLIENTS_OF_SITE):
            await take_for_client(db, TWICE, f"2001:db8:a:{number:x}::/64", now=NOON)

        with pytest.raises(TooMany):
            await take_for_client(db, TWICE, "2001:db8:a:ffff::/64", now=NOON)
        await take_for_client(db, TWICE, "2001:db8:b::/64", now=NOON)

    async def test_that_refuses_a_network_costs_its_site_nothing(self, db: Database):
        for _ in range(TWICE.burst):
            await take_for_client(db, TWICE, "2001:db8:c:1::/64", now=NOON)
        for _ in range(50):
            with pytest.raises(TooMany):
                await take_for_client(db, TWICE, "2001:db8:c:1::/64", now=NOON)

        await take_for_client(db, TWICE, "2001:db8:c:2::/64", now=NOON)

    async def test_is_given_back_to_the_site(self, db: Database):
        for _ in range(3):
            for number in range(TWICE.burst * CLIENTS_OF_SITE):
                client = f"2001:db8:d:{number:x}::/64"
                await take_for_client(db, TWICE, client, now=NOON)
                await refund_client(db, TWICE, client)

    async def test_of_mails_holds_for_a_site(self, db: Database):
        for number in range(MAILS_PER_CLIENT.burst * CLIENTS_OF_SITE):
            client = client_key(f"2001:db8:e:{number:x}::1")
            await take_for_client(db, MAILS_PER_CLIENT, client, now=NOON)

        with pytest.raises(TooMany):
            await request_reset(db, new_email(), ClientInfo(address="2001:db8:e:ffff::1"), now=NOON)


class TestPendingPasswords:
    async def test_of_a_site_fill_half_of_the_queue(self):
        pool = PasswordPool(threads=1, queue=8, cost=10)
        site = [
            asyncio.create_task(pool.verify("x", None, client=f"2001:db8:f:{number:x}::/64"))
            for number in range(8)
        ]
        await asyncio.sleep(0)

        with pytest.raises(TooManyPasswords):
            await pool.verify("x", None, client="2001:db8:f:ffff::/64")
        await pool.verify("x", None, client="2001:db8:10::/64")

        results = await asyncio.gather(*site, return_exceptions=True)
        assert results.count(False) == 5
        assert sum(isinstance(each, TooManyPasswords) for each in results) == 3
        await pool.verify("x", None, client="2001:db8:f:ffff::/64")
        pool.close()
