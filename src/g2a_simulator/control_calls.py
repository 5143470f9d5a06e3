"""What the control API can show and change; each call reads what was asked and returns JSON values."""

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec

from g2a_simulator.edits import Fields
from g2a_simulator.errors import Unusable
from g2a_simulator.faults import ENDPOINTS, faults_at
from g2a_simulator.market import Market
from g2a_simulator.orders import Order
from g2a_simulator.product_fields import Product
from g2a_simulator.settings import changed

_Shape = TypeVar("_Shape")


@dataclass(frozen=True)
class Asked:
    """What a request is about: the id in its address, its query and its body."""

    subject: str
    query: dict[str, str]
    body: Fields


class FaultOrder(msgspec.Struct, forbid_unknown_fields=True):
    """A fault to switch on, for the next `calls` or at a `rate`."""

    endpoint: str
    kind: str
    calls: int | None = None
    rate: float | None = None
    seconds: float = 1.0
    retry_after: int | None = None
    after_effect: bool = False


class NewProduct(msgspec.Struct, forbid_unknown_fields=True):
    """A product to add."""

    id: str
    fields: Fields = {}


class Override(msgspec.Struct, forbid_unknown_fields=True):
    """Values to show whatever they are, and fields to leave out."""

    fields: Fields = {}
    without: list[str] = []


class TopUp(msgspec.Struct, forbid_unknown_fields=True):
    """Money to add."""

    amount: Decimal


class StatusChange(msgspec.Struct, forbid_unknown_fields=True):
    """A state for the details to show, or null for the truth."""

    status: str | None


def read_query(text: str) -> dict[str, str]:
    """Return the query's parameters; of several with one name the last counts."""
    return dict(parse_qsl(text))


def show_summary(market: Market, _asked: Asked) -> Fields:
    """Return what there is, in a few numbers."""
    return {
        "products": len(market.catalogue),
        "seed": market.seed,
        "mode": market.mode,
        "orders": len(market.orders),
        "wallet": market.wallet.balance,
        "calls": market.ledger.count(),
        "most_in_60s": market.ledger.most_in_60s,
        "faults": len(market.faults.switches()),
    }


def list_products(market: Market, asked: Asked) -> Fields:
    """Return ids, `limit` of them from `offset` on."""
    offset, limit = _number(asked, "offset", 0), _number(asked, "limit", 100)
    return {"total": len(market.catalogue), "ids": market.product_ids()[offset : offset + limit]}


def show_product(market: Market, asked: Asked) -> Product:
    """Return a product as the API emits it, out of stock or not."""
    return market.product(asked.subject)


def add_product(market: Market, asked: Asked) -> Product:
    """Put a product on offer."""
    new = _convert(asked.body, NewProduct)
    market.add_product(new.id, **new.fields)
    return market.product(new.id)


def change_product(market: Market, asked: Asked) -> Product:
    """Change documented fields of a product."""
    market.set_product(asked.subject, **asked.body)
    return market.product(asked.subject)


def change_named_product(market: Market, asked: Asked) -> Product:
    """Change a product whose id is among the values, as in a form."""
    fields = dict(asked.body)
    product_id = str(fields.pop("id", ""))
    market.set_product(product_id, **fields)
    return market.product(product_id)


def remove_product(market: Market, asked: Asked) -> Fields:
    """Take a product off the list."""
    market.remove_product(asked.subject)
    return {"removed": asked.subject}


def override_product(market: Market, asked: Asked) -> Product:
    """Show a product with any values at all, however wrong."""
    override = _convert(asked.body, Override)
    market.break_product(asked.subject, without=override.without, **override.fields)
    return market.product(asked.subject)


def list_orders(market: Market, asked: Asked) -> Fields:
    """Return the newest orders."""
    newest = market.orders.newest(_number(asked, "limit", 100))
    return {"total": len(market.orders), "orders": [_order(market, order) for order in newest]}


def show_order(market: Market, asked: Asked) -> Fields:
    """Return an order, its key included, which does not use the key up."""
    return _order(market, market.orders.get(asked.subject))


def change_order(market: Market, asked: Asked) -> Fields:
    """Let the details of an order show a state, whatever is true."""
    market.force_status(asked.subject, _convert(asked.body, StatusChange).status)
    return _order(market, market.orders.get(asked.subject))


def show_wallet(market: Market, _asked: Asked) -> Fields:
    """Return the balance and what moved it."""
    return {"balance": market.wallet.balance, "movements": market.wallet.movements}


def top_up(market: Market, asked: Asked) -> Fields:
    """Put money into the wallet."""
    market.top_up(_convert(asked.body, TopUp).amount)
    return {"balance": market.wallet.balance}


def list_faults(market: Market, _asked: Asked) -> Fields:
    """Return what is switched on, and what could be."""
    return {
        "on": market.faults.switches(),
        "possible": {endpoint: faults_at(endpoint) for endpoint in ENDPOINTS},
    }


def add_fault(market: Market, asked: Asked) -> Fields:
    """Switch a fault on, for one call unless a number of calls or a rate is given."""
    wanted = _convert(asked.body, FaultOrder)
    if wanted.rate is not None:
        market.faults.rate(
            wanted.endpoint,
            wanted.kind,
            wanted.rate,
            seconds=wanted.seconds,
            retry_after=wanted.retry_after,
            after_effect=wanted.after_effect,
        )
    else:
        market.faults.next(
            wanted.endpoint,
            wanted.kind,
            calls=1 if wanted.calls is None else wanted.calls,
            seconds=wanted.seconds,
            retry_after=wanted.retry_after,
            after_effect=wanted.after_effect,
        )
    return list_faults(market, asked)


def clear_faults(market: Market, asked: Asked) -> Fields:
    """Switch all faults off, or those of one `endpoint`."""
    market.faults.clear(asked.query.get("endpoint"))
    return list_faults(market, asked)


def show_ledger(market: Market, asked: Asked) -> Fields:
    """Return the last calls, how many there were of which kind, and the busiest minute."""
    last = _number(asked, "last", 100)
    counts = sorted(market.ledger.counts.items(), key=str)
    return {
        "total": market.ledger.count(),
        "most_in_60s": market.ledger.most_in_60s,
        "counts": [
            {"endpoint": endpoint, "status": status, "calls": calls}
            for (endpoint, status), calls in counts
        ],
        "calls": list(market.ledger.calls)[-last:] if last else [],
    }


def clear_ledger(market: Market, _asked: Asked) -> Fields:
    """Forget all calls."""
    market.ledger.clear()
    return {"total": 0}


def show_settings(market: Market, _asked: Asked) -> Fields:
    """Return all settings."""
    return msgspec.structs.asdict(market.settings)


def change_settings(market: Market, asked: Asked) -> Fields:
    """Change some settings."""
    market.settings = changed(market.settings, asked.body)
    return msgspec.structs.asdict(market.settings)


def _order(market: Market, order: Order) -> Fields:
    return msgspec.structs.asdict(order) | {
        "status": market.order_status(order),
        "key": market.key_of(order),
    }


def _number(asked: Asked, name: str, default: int) -> int:
    text = asked.query.get(name, str(default))
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise Unusable(f"{name} must be a whole number.")
    return int(text)


def _convert(body: Fields, shape: type[_Shape]) -> _Shape:
    """
    Read a body into its shape.

    Raises:
        Unusable: it does not fit.
    """
    try:
        return msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        raise Unusable(f"The body does not fit: {error}.") from error
