"""The calls of the control API: each reads a request, and returns values for its JSON answer."""

import msgspec

from g2a_simulator.control_requests import (
    ControlRequest,
    NewFault,
    NewProduct,
    Override,
    StatusChange,
    TopUp,
    convert_body,
    read_number,
)
from g2a_simulator.edits import Fields
from g2a_simulator.faults import ENDPOINTS, faults_at
from g2a_simulator.market import Market
from g2a_simulator.orders import Order
from g2a_simulator.product_fields import ProductJson
from g2a_simulator.settings import apply_changes


def show_summary(market: Market, _request: ControlRequest) -> Fields:
    """Return a summary of the market in a few numbers."""
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


def list_products(market: Market, request: ControlRequest) -> Fields:
    """Return `limit` ids from `offset` on."""
    offset, limit = read_number(request, "offset", 0), read_number(request, "limit", 100)
    return {"total": len(market.catalogue), "ids": market.product_ids()[offset : offset + limit]}


def show_product(market: Market, request: ControlRequest) -> ProductJson:
    """Return a product as the API emits it, in stock or not."""
    return market.product(request.path_id)


def add_product(market: Market, request: ControlRequest) -> ProductJson:
    new = convert_body(request.body, NewProduct)
    market.add_product(new.id, **new.fields)
    return market.product(new.id)


def change_product(market: Market, request: ControlRequest) -> ProductJson:
    """Change documented fields of a product."""
    market.set_product(request.path_id, **request.body)
    return market.product(request.path_id)


def change_named_product(market: Market, request: ControlRequest) -> ProductJson:
    """Change the product whose id is among the values of a form."""
    fields = dict(request.body)
    product_id = str(fields.pop("id", ""))
    market.set_product(product_id, **fields)
    return market.product(product_id)


def remove_product(market: Market, request: ControlRequest) -> Fields:
    """Remove a product from the list."""
    market.remove_product(request.path_id)
    return {"removed": request.path_id}


def override_product(market: Market, request: ControlRequest) -> ProductJson:
    """Emit a product with any values, valid or not."""
    override = convert_body(request.body, Override)
    market.break_product(request.path_id, without=override.without, **override.fields)
    return market.product(request.path_id)


def list_orders(market: Market, request: ControlRequest) -> Fields:
    newest = market.orders.newest(read_number(request, "limit", 100))
    return {"total": len(market.orders), "orders": [_order(market, order) for order in newest]}


def show_order(market: Market, request: ControlRequest) -> Fields:
    """Return an order with its key, which does not use the key up."""
    return _order(market, market.orders.get(request.path_id))


def change_order(market: Market, request: ControlRequest) -> Fields:
    """Make the details of an order show a state."""
    market.force_status(request.path_id, convert_body(request.body, StatusChange).status)
    return _order(market, market.orders.get(request.path_id))


def show_wallet(market: Market, _request: ControlRequest) -> Fields:
    """Return the balance and its changes."""
    return {"balance": market.wallet.balance, "movements": market.wallet.movements}


def top_up(market: Market, request: ControlRequest) -> Fields:
    market.top_up(convert_body(request.body, TopUp).amount)
    return {"balance": market.wallet.balance}


def list_faults(market: Market, _request: ControlRequest) -> Fields:
    """Return the faults that are switched on, and those that can be."""
    return {
        "on": market.faults.switches(),
        "possible": {endpoint: faults_at(endpoint) for endpoint in ENDPOINTS},
    }


def add_fault(market: Market, request: ControlRequest) -> Fields:
    """Switch a fault on, for one call unless a number of calls or a rate is given."""
    new = convert_body(request.body, NewFault)
    if new.rate is not None:
        market.faults.rate(
            new.endpoint,
            new.kind,
            new.rate,
            seconds=new.seconds,
            retry_after=new.retry_after,
            after_effect=new.after_effect,
        )
    else:
        market.faults.next(
            new.endpoint,
            new.kind,
            calls=1 if new.calls is None else new.calls,
            seconds=new.seconds,
            retry_after=new.retry_after,
            after_effect=new.after_effect,
        )
    return list_faults(market, request)


def clear_faults(market: Market, request: ControlRequest) -> Fields:
    """Switch all faults off, or those of one `endpoint`."""
    market.faults.clear(request.query.get("endpoint"))
    return list_faults(market, request)


def show_ledger(market: Market, request: ControlRequest) -> Fields:
    """Return the last calls, the counts by kind, and the highest rate per minute."""
    last = read_number(request, "last", 100)
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


def clear_ledger(market: Market, _request: ControlRequest) -> Fields:
    market.ledger.clear()
    return {"total": 0}


def show_settings(market: Market, _request: ControlRequest) -> Fields:
    return msgspec.structs.asdict(market.settings)


def change_settings(market: Market, request: ControlRequest) -> Fields:
    market.settings = apply_changes(market.settings, request.body)
    return msgspec.structs.asdict(market.settings)


def _order(market: Market, order: Order) -> Fields:
    return msgspec.structs.asdict(order) | {
        "status": market.order_status(order),
        "key": market.key_of(order),
    }
