"""What survives a restart."""

from decimal import Decimal

import pytest

from g2a_simulator.errors import InvalidCommand, Refusal
from g2a_simulator.market import Market
from g2a_simulator.trading import hand_out_key, pay_order, place_order
from tests.factories.simulator_buyer import FIRST, SECOND


@pytest.fixture
def file(tmp_path):
    return tmp_path / "market.state"


class TestStateFile:
    def test_brings_orders_wallet_keys_and_changes_back(self, file, clock):
        market = Market(100, clock=clock, state=file)
        market.set_product(FIRST, minPrice=7.77, qty=9, name="Renamed")
        market.break_product(SECOND, minPrice=-1, without=["name"])
        market.add_product("10000000002500", qty=4)
        market.remove_product("10000000003001")
        order = pay_order(market, place_order(market, FIRST, currency="EUR", max_price=Decimal(0)))
        clock.forward(1)
        key = hand_out_key(market, order)
        market.top_up(Decimal(5))
        shown = [market.product(each) for each in (FIRST, SECOND, "10000000002500")]
        market.close()

        again = Market(100, clock=clock, state=file)

        known = again.orders.get(order.id)
        assert [again.product(each) for each in (FIRST, SECOND, "10000000002500")] == shown
        assert "10000000003001" not in again.product_ids()
        assert known == order
        assert again.key_of(known) == key
        with pytest.raises(Refusal, match="ORD04"):
            hand_out_key(again, known)
        assert again.wallet.balance == Decimal("9997.23")
        assert again.wallet.movements == market.wallet.movements
        again.close()

    def test_expires_a_hold_after_the_restart(self, file, clock):
        market = Market(100, clock=clock, state=file)
        market.set_product(FIRST, qty=2)
        place_order(market, FIRST, currency="EUR", max_price=Decimal(0))
        market.close()

        clock.forward(1800)
        again = Market(100, clock=clock, state=file)
        again.catch_up()

        assert again.product(FIRST)["qty"] == 2
        again.close()

    def test_never_gives_an_order_id_twice(self, file, clock):
        ids = set()
        for _ in range(3):
            market = Market(100, clock=clock, state=file)
            ids.add(place_order(market, FIRST, currency="EUR", max_price=Decimal(0)).id)
            market.close()

        assert len(ids) == 3

    def test_continues_with_a_larger_catalogue(self, file):
        market = Market(10, state=file)
        market.set_product(FIRST, qty=77)
        market.close()

        larger = Market(50, state=file)

        assert len(larger.product_ids()) == 50
        assert larger.product(FIRST)["qty"] == 77
        larger.close()

    def test_belongs_to_one_seed_and_mode(self, file):
        Market(10, seed=1, state=file).close()

        with pytest.raises(InvalidCommand, match="belongs to seed 1 in realistic mode"):
            Market(10, seed=2, state=file)

    def test_serves_one_market_at_a_time(self, file):
        market = Market(10, state=file)

        with pytest.raises(InvalidCommand, match="cannot be used"):
            Market(10, state=file)
        market.close()

    def test_is_refused_when_it_is_another_kind_of_file(self, file):
        file.write_text("a shopping list\n" * 100)

        with pytest.raises(InvalidCommand, match="cannot be used"):
            Market(10, state=file)
