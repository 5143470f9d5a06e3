"""What an order may hold, what its units cost, and which state it has."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyshop.orders.errors import (
    BadIdempotencyKey,
    BadQuantity,
    EmptyOrder,
    GamesNotFound,
    TooManyUnits,
    TransitionRefused,
)
from keyshop.orders.models import (
    BuyingPolicy,
    OrderedGame,
    OrderLine,
    OrderStatus,
    PaymentStatus,
    RequestedItem,
    Unit,
    UnitState,
)
from keyshop.orders.rules import (
    TRANSITIONS,
    UNIT_TRANSITIONS,
    charge_units,
    check_idempotency_key,
    has_price,
    hash_body,
    list_steps,
    may_be_bought,
    may_cancel,
    may_refund,
    merge_items,
    order_state,
)
from keyshop.orders.settings import OrderLimits

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LIMITS = OrderLimits()


def item(game: str, quantity: object) -> RequestedItem:
    return RequestedItem(game_id=game, quantity=quantity)


def unit(state: UnitState, *, key: str | None = None, requested: bool = False) -> Unit:
    return Unit(
        id="unit", order_id="order", item_id="item", user_id="user", game_id="game", state=state,
        price=Decimal(10), charged=Decimal(9), next_at=None, version=0, vault_key_id=key,
        is_requested=requested,
    )  # fmt: skip


class TestItems:
    def test_of_one_game_become_one_line_and_lines_are_sorted(self):
        items = [item("z", 2), item("a", 1), item("z", 3)]

        assert merge_items(items, LIMITS) == [OrderLine("a", 1), OrderLine("z", 5)]

    def test_are_missing(self):
        with pytest.raises(EmptyOrder, match=r"^The order has no items\.$"):
            merge_items([], LIMITS)

    @pytest.mark.parametrize(
        "quantity", [0, -5, 100, 10**30, True, False, 1.0, 1.5, "1", None, [1], Decimal(1)]
    )
    def test_have_a_quantity_that_is_a_whole_number_within_the_limits(self, quantity):
        with pytest.raises(BadQuantity, match=r"^Quantity must be a whole number from 1 to 99$"):
            merge_items([item("game", quantity)], LIMITS)

    def test_of_one_game_are_limited_together(self):
        assert merge_items([item("a", 50), item("a", 49)], LIMITS) == [OrderLine("a", 99)]
        with pytest.raises(BadQuantity):
            merge_items([item("a", 50), item("a", 50)], LIMITS)

    def test_cannot_hide_a_negative_quantity_behind_a_positive_one(self):
        with pytest.raises(BadQuantity):
            merge_items([item("a", 5), item("a", -4)], LIMITS)

    def test_are_limited_in_all(self):
        assert len(merge_items([item("a", 99), item("b", 1)], LIMITS)) == 2
        with pytest.raises(TooManyUnits, match=r"^An order can hold at most 100 keys\.$"):
            merge_items([item("a", 99), item("b", 2)], LIMITS)

    def test_follow_the_settings(self):
        with pytest.raises(BadQuantity, match=r"from 1 to 3$"):
            merge_items([item("a", 4)], OrderLimits(max_quantity=3, max_units=5))
        with pytest.raises(TooManyUnits, match="at most 5 keys"):
            merge_items([item("a", 3), item("b", 3)], OrderLimits(max_quantity=3, max_units=5))

    @pytest.mark.parametrize("game_id", ["a\0b", "\ud800", "x" * 201])
    def test_with_an_id_that_no_game_can_have_are_not_found(self, game_id):
        with pytest.raises(GamesNotFound):
            merge_items([item(game_id, 1)], LIMITS)

    @given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-2, 40)), max_size=8))
    def test_are_counted_once_each_or_refused(self, items):
        requested = [item(game, quantity) for game, quantity in items]
        try:
            lines = merge_items(requested, LIMITS)
        except (EmptyOrder, BadQuantity, TooManyUnits):
            return

        assert sum(line.quantity for line in lines) == sum(quantity for _, quantity in items)
        assert all(1 <= line.quantity <= 99 for line in lines)
        assert [line.game_id for line in lines] == sorted({game for game, _ in items})


class TestIdempotency:
    @pytest.mark.parametrize("key", ["!", "~" * 255, "7f3c-Order.1"])
    def test_takes_visible_ascii(self, key):
        check_idempotency_key(key)

    @pytest.mark.parametrize("key", ["", "x" * 256, "a b", "a\n", "ä", "\x7f", "a\0"])
    def test_refuses_all_other_keys(self, key):
        with pytest.raises(BadIdempotencyKey):
            check_idempotency_key(key)

    def test_knows_a_request_whose_items_have_another_order_or_spelling_of_the_code(self):
        lines = [OrderLine("a", 1), OrderLine("b", 2)]

        assert hash_body(lines, " sale10 ") == hash_body(lines[::-1], "SALE10")
        assert hash_body(lines, None) == hash_body(lines, "  ")

    def test_tells_other_orders_apart(self):
        orders = [
            ([OrderLine("a", 1)], None),
            ([OrderLine("a", 2)], None),
            ([OrderLine("b", 1)], None),
            ([OrderLine("a", 1), OrderLine("b", 1)], None),
            ([OrderLine("a", 1)], "SALE10"),
        ]

        assert len({hash_body(lines, code) for lines, code in orders}) == len(orders)


class TestCharges:
    @given(
        prices=st.lists(st.decimals(0, 500, places=2), min_size=1, max_size=100),
        part=st.fractions(0, 1),
    )
    def test_are_together_exactly_what_the_order_costs(self, prices, part):
        by_unit = {f"unit-{index:03}": price for index, price in enumerate(prices)}
        total = Decimal(int(sum(prices) * 100 * part.numerator / part.denominator)).scaleb(-2)

        charged = charge_units(by_unit, total)

        assert sum(charged.values()) == total
        assert all(0 <= charged[unit_id] <= by_unit[unit_id] for unit_id in by_unit)

    def test_do_not_depend_on_the_order_in_which_units_are_listed(self):
        prices = {"c": Decimal("0.99"), "a": Decimal("0.99"), "b": Decimal("0.99")}

        charged = charge_units(prices, Decimal("2.00"))

        assert charged == {"a": Decimal("0.67"), "b": Decimal("0.67"), "c": Decimal("0.66")}

    def test_never_exceed_prices(self):
        with pytest.raises(ValueError, match="never charged more"):
            charge_units({"a": Decimal(1)}, Decimal("1.01"))


def game(**changes: object) -> OrderedGame:
    values = {
        "id": "game", "title": "A Game", "price": Decimal(10), "currency": "EUR",
        "g2a_product_id": "1001", "g2a_stock": True, "release_date": NOON,
    } | changes  # fmt: skip
    return OrderedGame(**values)  # type: ignore[arg-type]


class TestGames:
    def test_are_not_bought_while_buying_is_not_open(self):
        assert not may_be_bought(game(), BuyingPolicy(), now=NOON)

    def test_are_bought_when_the_supplier_has_them_and_they_are_released(self):
        policy = BuyingPolicy(buying_open=True)

        assert may_be_bought(game(), policy, now=NOON)
        assert not may_be_bought(game(g2a_stock=False), policy, now=NOON)
        assert not may_be_bought(game(g2a_product_id=None), policy, now=NOON)
        assert not may_be_bought(game(g2a_product_id=""), policy, now=NOON)
        assert not may_be_bought(game(), policy, now=NOON - timedelta(milliseconds=1))

    @pytest.mark.parametrize("price", ["NaN", "Infinity", "-0.01"])
    def test_are_not_sold_at_an_impossible_price(self, price):
        assert not has_price(game(price=Decimal(price)))

    def test_are_sold_for_euros_and_for_nothing(self):
        assert has_price(game())
        assert has_price(game(price=Decimal(0)))
        assert not has_price(game(currency="PLN"))


class TestCancelling:
    def test_needs_an_open_unit_and_none_that_ever_had_a_key(self):
        waiting = unit(UnitState.OPEN)

        assert may_cancel([waiting, waiting])
        assert may_cancel([waiting, unit(UnitState.REFUNDED)])
        assert not may_cancel([waiting, unit(UnitState.DELIVERED, key="key")])
        assert not may_cancel([waiting, unit(UnitState.REFUNDED, key="key")])
        assert not may_cancel([unit(UnitState.REFUNDED)])
        assert not may_cancel([])


class TestStates:
    def test_are_computed_from_the_units(self):
        waiting, delivered = unit(UnitState.OPEN), unit(UnitState.DELIVERED, key="key")
        refunded = unit(UnitState.REFUNDED)
        asked_for = unit(UnitState.REFUNDED, requested=True)

        states = [
            ([waiting, delivered, asked_for], OrderStatus.PROCESSING),
            ([delivered, refunded, asked_for], OrderStatus.COMPLETED),
            ([refunded, asked_for], OrderStatus.CANCELLED),
            ([refunded, refunded], OrderStatus.FAILED),
        ]

        assert [order_state(units).status for units, _ in states] == [last for _, last in states]

    def test_of_the_payment_tell_whether_all_money_went_back(self):
        assert order_state([unit(UnitState.OPEN)]).payment_status is PaymentStatus.COMPLETED
        for requested in (True, False):
            refunded = unit(UnitState.REFUNDED, requested=requested)
            assert order_state([refunded]).payment_status is PaymentStatus.CANCELLED

    def test_need_a_unit(self):
        with pytest.raises(ValueError, match="has units"):
            order_state([])

    def test_of_an_order_delivered_at_once_pass_through_processing(self):
        assert list_steps(OrderStatus.PENDING, OrderStatus.COMPLETED) == [
            OrderStatus.PROCESSING, OrderStatus.COMPLETED,
        ]  # fmt: skip

    def test_that_do_not_change_are_no_step(self):
        assert all(list_steps(status, status) == [] for status in OrderStatus)

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (OrderStatus.COMPLETED, OrderStatus.PROCESSING),
            (OrderStatus.COMPLETED, OrderStatus.FAILED),
            (OrderStatus.CANCELLED, OrderStatus.PROCESSING),
            (OrderStatus.FAILED, OrderStatus.COMPLETED),
            (OrderStatus.PROCESSING, OrderStatus.PENDING),
        ],
    )
    def test_never_leave_the_table(self, before, after):
        with pytest.raises(TransitionRefused, match=f"is {before} cannot become {after}"):
            list_steps(before, after)


@dataclass
class Walk:
    """An order whose units are changed by the rules alone, as all callers do."""

    units: list[Unit]
    statuses: list[OrderStatus] = field(default_factory=lambda: [OrderStatus.PENDING])
    unit_steps: list[tuple[UnitState, UnitState]] = field(default_factory=list)

    def deliver(self, index: int) -> None:
        if UnitState.DELIVERED in UNIT_TRANSITIONS[self.units[index].state]:
            self._change(index, unit(UnitState.DELIVERED, key=f"key-{index}"))

    def refund(self, index: int, *, requested: bool) -> None:
        before = self.units[index]
        if may_refund(before.state, requested=requested):
            key = before.vault_key_id
            self._change(index, unit(UnitState.REFUNDED, key=key, requested=requested))

    def cancel(self) -> None:
        if may_cancel(self.units):
            for index, before in enumerate(self.units):
                if before.state is UnitState.OPEN:
                    self._change(index, unit(UnitState.REFUNDED, requested=True))
            self.recompute()

    def recompute(self) -> None:
        self.statuses += list_steps(self.statuses[-1], order_state(self.units).status)

    def _change(self, index: int, after: Unit) -> None:
        self.unit_steps.append((self.units[index].state, after.state))
        self.units[index] = after


operations = st.tuples(
    st.sampled_from(["deliver", "fail", "refund", "cancel"]), st.integers(0, 4), st.booleans()
)


class TestTransitions:
    @given(size=st.integers(1, 5), walk=st.lists(operations, max_size=20))
    def test_of_every_walk_of_all_callers_are_those_of_the_table(self, size, walk):
        order = Walk([unit(UnitState.OPEN) for _ in range(size)])
        for operation, index, recomputes in walk:
            if operation == "deliver":
                order.deliver(index % size)
            elif operation == "cancel":
                order.cancel()
            else:
                order.refund(index % size, requested=operation == "refund")
            # One transaction may change several units before it computes the state.
            if recomputes:
                order.recompute()
        order.recompute()

        assert order.statuses[-1] is order_state(order.units).status
        assert all(after in TRANSITIONS[before] for before, after in pairwise(order.statuses))
        assert all(after in UNIT_TRANSITIONS[before] for before, after in order.unit_steps)

    def test_end_when_all_money_went_back(self):
        for final in (OrderStatus.FAILED, OrderStatus.CANCELLED):
            assert TRANSITIONS[final] == frozenset()
