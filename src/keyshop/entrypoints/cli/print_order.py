"""Print what an operator sees of orders."""

from collections.abc import Sequence
from datetime import datetime

from keyshop.accounts.addresses import displayed
from keyshop.entrypoints.cli.output import print_record, print_table
from keyshop.orders.get_order_id import SHOWN_LENGTH
from keyshop.orders.operator_queries import OrderSummary, ShownUnit, TimelineEntry
from keyshop.orders.show_timeline import OrderReport


def print_orders(orders: Sequence[OrderSummary]) -> None:
    print_table(
        "Orders",
        ("id", "customer", "status", "units", "total", "refunded", "placed (UTC)"),
        [
            (
                order.id[:SHOWN_LENGTH],
                displayed(order.email),
                order.status,
                _units(order),
                order.total,
                order.refunded,
                _time(order.created_at),
            )
            for order in orders
        ],
    )


def print_order(report: OrderReport) -> None:
    _print_facts(report.order)
    print_table(
        "Units",
        ("id", "game", "state", "charged", "refunded", "reason", "key", "next (UTC)"),
        [_unit_cells(unit) for unit in report.units],
    )
    print_table(
        "Timeline",
        ("time (UTC)", "", "what", "unit", "by", "details"),
        [_entry_cells(entry) for entry in report.timeline],
    )
    print_table(
        "Journal",
        ("time (UTC)", "operator", "action", "details"),
        [
            (_time(each.happened_at), each.actor, each.action, _details(each.details))
            for each in report.journal
        ],
    )


def _print_facts(order: OrderSummary) -> None:
    print_record(
        f"Order {order.id[:SHOWN_LENGTH]}",
        [
            ("id", order.id),
            ("customer", displayed(order.email)),
            ("status", order.status),
            ("payment", order.payment_status),
            ("total (EUR)", order.total),
            ("refunded (EUR)", order.refunded),
            ("promo code", order.promo_code),
            ("units", _units(order)),
            ("placed", order.created_at),
            ("completed", order.completed_at),
        ],
    )


def _units(order: OrderSummary) -> str:
    if not order.is_placed_here:
        return "of another program"
    refunded = order.units - order.open - order.delivered
    counts = {"delivered": order.delivered, "open": order.open, "refunded": refunded}
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def _unit_cells(unit: ShownUnit) -> tuple[object, ...]:
    return (
        unit.id[:SHOWN_LENGTH],
        unit.title or unit.game_id,
        unit.state,
        unit.charged,
        unit.refunded,
        unit.refund_reason,
        unit.vault_key_id,
        _time(unit.next_at),
    )


def _entry_cells(entry: TimelineEntry) -> tuple[object, ...]:
    return (
        _time(entry.happened_at),
        entry.kind,
        entry.what,
        entry.unit_id[:SHOWN_LENGTH] if entry.unit_id else None,
        entry.actor,
        None if entry.details == "{}" else entry.details,
    )


def _details(details: dict[str, str | int | bool | None]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in details.items() if value is not None)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%F %T}"
