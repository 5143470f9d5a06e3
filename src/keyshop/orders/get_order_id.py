"""Find the order that an operator names."""

from typing import Final

from keyshop.kit.database.transaction import Reader
from keyshop.orders import operator_queries as queries
from keyshop.orders.errors import OrderNotFound, SeveralOrders

SHOWN_LENGTH: Final = 8
"""Characters of an id that people see, in mails and in the storefront."""


async def get_order_id(reader: Reader, text: str) -> str:
    """
    Return the id of the order; its first eight characters, in any case, or more will do.

    Raises:
        OrderNotFound: there is no such order.
        SeveralOrders: the ids of several orders begin so; the sentence lists them.
    """
    text = text.strip().removeprefix("#")
    if "\0" in text or not text.isprintable():
        raise OrderNotFound
    found = await queries.find_ids(reader, text, min_length=SHOWN_LENGTH)
    if not found:
        raise OrderNotFound
    if len(found) > 1:
        raise SeveralOrders(text, found)
    return found[0]
