"""Every fault at every endpoint, as a client sees it over HTTP."""

import json
import socket

import httpx2
import pytest

from g2a_simulator.errors import CODES, InvalidCommand
from g2a_simulator.faults import ENDPOINTS, KINDS, faults_at
from tests.factories.simulator_buyer import FIRST, buying_from, code_of

ALL_OF_THEM = [(endpoint, kind) for endpoint in ENDPOINTS for kind in faults_at(endpoint)]
REFUSALS = {"server_error": "ERR99", "internal_failure": "API00", "rate_limited": "BR03"}
NOTHING_HAPPENS = {
    "server_error",
    "internal_failure",
    "bad_gateway",
    "rate_limited",
    "reset",
    "hang",
}


class World:
    """A market with one order that is ready for a call, and what the call would change."""

    def __init__(self, buyer, market, clock):
        self.buyer, self.market, self.clock = buyer, market, clock

    async def prepare(self, endpoint):
        self.order_id = ""
        if endpoint in {"pay", "details"}:
            self.order_id = (await self.buyer.order()).json()["order_id"]
        if endpoint == "key":
            self.order_id = await self.buyer.paid_order()
            self.clock.forward(1)
        self.before = self.state()

    async def call(self, endpoint):
        if endpoint in {"products", "order"}:
            return await getattr(self.buyer, endpoint)()
        return await getattr(self.buyer, endpoint)(self.order_id)

    def state(self):
        shown = sum(order.key_shown_at is not None for order in self.market.orders)
        return len(self.market.orders), len(self.market.wallet.payments), shown

    def happened(self):
        return self.state() != self.before


@pytest.fixture
def world(buyer, market, clock):
    buyer.http.timeout = httpx2.Timeout(10, read=1)
    return World(buyer, market, clock)


async def outcome(calling):
    """Return the response that a client sees, or the name of the failure."""
    try:
        return await calling
    except httpx2.HTTPError as error:
        return type(error).__name__


class TestEveryFault:
    @pytest.mark.parametrize(("endpoint", "kind"), ALL_OF_THEM)
    async def test_shows_as_described_and_only_once(self, world, endpoint, kind):
        await world.prepare(endpoint)
        world.market.faults.next(endpoint, kind, seconds=0.1)

        seen = await outcome(world.call(endpoint))
        happened = world.happened()

        check_sight(kind, endpoint, seen)
        if kind in NOTHING_HAPPENS or kind in CODES or kind == "stock_gone":
            assert not happened
        else:
            assert happened is (endpoint in {"order", "pay", "key"})
        if not happened:
            assert_right_again(endpoint, kind, await world.call(endpoint))


def check_sight(kind, endpoint, seen):
    if kind in CODES or kind in REFUSALS:
        code = REFUSALS.get(kind, kind)
        assert code_of(seen) == (CODES[code].status, code)
    elif kind == "bad_gateway":
        assert (seen.status_code, seen.content) == (502, b"")
    elif kind == "garbage":
        assert seen.status_code == 200
        with pytest.raises(json.JSONDecodeError):
            seen.json()
    elif kind in {"cut_body", "lost_answer"}:
        assert seen == "RemoteProtocolError"
    elif kind == "reset":
        assert seen == "ReadError"
    elif kind == "hang":
        assert seen == "ReadTimeout"
    elif kind == "slow":
        assert (seen.status_code, seen.elapsed.total_seconds() >= 0.1) == (200, True)
    elif kind == "short_page":
        assert 0 < len(seen.json()["docs"]) < 20 < seen.json()["total"]
    elif kind == "price_moved":
        assert seen.json()["price"] == 12.5
    else:
        assert (kind, endpoint, code_of(seen)) == ("stock_gone", "order", (400, "BR02"))


def assert_right_again(endpoint, kind, answer):
    if kind == "stock_gone":
        assert code_of(answer) == (400, "BR02")
    else:
        assert answer.status_code == 200, (endpoint, answer.text)


class TestSwitches:
    async def test_count_the_next_calls_down_one_fault_after_another(self, buyer, market):
        market.faults.next("products", "server_error", calls=2)
        market.faults.next("products", "bad_gateway")

        statuses = [(await buyer.products()).status_code for _ in range(4)]

        assert statuses == [500, 500, 502, 200]

    async def test_hit_a_share_of_calls_the_same_way_for_the_same_seed(self, buyer, market):
        async def run():
            market.faults.clear()
            market.faults.rate("products", "server_error", 0.3)
            return [(await buyer.products()).status_code for _ in range(60)]

        first, second = await run(), await run()

        assert first == second
        assert 6 <= first.count(500) <= 30

    async def test_touch_no_other_endpoint(self, buyer, market):
        market.faults.rate("pay", "server_error", 1)

        assert (await buyer.products()).status_code == 200

    async def test_are_all_off_after_clearing(self, buyer, market):
        market.faults.rate("products", "garbage", 1)
        market.faults.next("products", "hang", calls=100)
        market.faults.clear()

        assert (await buyer.products()).status_code == 200
        assert market.faults.switches() == []

    async def test_can_send_retry_after(self, buyer, market):
        market.faults.next("products", "rate_limited", retry_after=7)

        answer = await buyer.products()

        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")

    async def test_can_occur_after_the_effect(self, buyer, market):
        order_id = (await buyer.order()).json()["order_id"]
        market.faults.next("pay", "bad_gateway", after_effect=True)

        assert (await buyer.pay(order_id)).status_code == 502
        assert len(market.wallet.payments) == 1

    async def test_never_affect_calls_without_credentials(self, buyer, market):
        market.faults.next("products", "server_error")
        await buyer.http.get("/v1/products", headers={"Authorization": "unknown"})

        assert (await buyer.products()).status_code == 500

    @pytest.mark.parametrize(
        ("endpoint", "kind", "more"),
        [
            ("nowhere", "reset", {}),
            ("products", "boredom", {}),
            ("products", "stock_gone", {}),
            ("pay", "short_page", {}),
            ("products", "ORD03", {}),
            ("key", "PR01", {}),
            ("key", "slow", {"seconds": -1}),
            ("key", "slow", {"calls": 0}),
        ],
    )
    def test_refuse_an_invalid_command(self, market, endpoint, kind, more):
        with pytest.raises(InvalidCommand):
            market.faults.next(endpoint, kind, **more)

    def test_refuse_a_rate_outside_0_to_1(self, market):
        with pytest.raises(InvalidCommand, match="between 0 and 1"):
            market.faults.rate("products", "reset", 1.5)

    def test_say_what_each_kind_does(self):
        assert all(KINDS.values())


class TestPriceMoved:
    async def test_is_refused_under_a_ceiling(self, buyer, market):
        market.faults.next("order", "price_moved")

        assert code_of(await buyer.order(max_price=10)) == (400, "BR02")
        assert market.product(FIRST)["minPrice"] == 12.5


class TestLostKey:
    async def test_is_used_up(self, buyer, market, clock):
        order_id = await buyer.paid_order()
        clock.forward(1)
        market.faults.next("key", "lost_answer")

        assert await outcome(buyer.key(order_id)) == "RemoteProtocolError"
        assert code_of(await buyer.key(order_id)) == (400, "ORD04")

    async def test_is_not_used_up_when_the_client_left_before_it_was_sent(self, market, clock):
        async with buying_from(market, timeout=0.1) as hasty:
            order_id = await hasty.paid_order()
            clock.forward(1)
            market.faults.next("key", "slow", seconds=0.3)
            assert await outcome(hasty.key(order_id)) == "ReadTimeout"
            while market.ledger.count("key") == 0:
                await outcome(hasty.products())

            assert (await hasty.key(order_id)).status_code == 200


class TestSlowAnswers:
    async def test_happen_even_if_the_client_disconnects(self, market):
        async with buying_from(market, timeout=0.1) as hasty:
            market.faults.next("order", "slow", seconds=5)

            assert await outcome(hasty.order()) == "ReadTimeout"
            assert len(market.orders) == 1

    async def test_can_apply_to_every_answer(self, buyer, market):
        market.settings.latency_ms = 50

        answer = await buyer.products()

        assert answer.elapsed.total_seconds() >= 0.05


class TestNonsense:
    async def test_is_cut_off_and_the_next_client_served(self, buyer):
        url = buyer.http.base_url
        with socket.create_connection((url.host, url.port), timeout=5) as stranger:
            stranger.sendall(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
            stranger.setblocking(False)
            assert (await buyer.products()).status_code == 200
