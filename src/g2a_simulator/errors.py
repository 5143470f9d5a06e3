"""
What can be refused.

Refusal         the supplier says no, with one of its codes
Unusable        a command to the simulator makes no sense
└── NoSuchProduct
└── NoSuchOrder
"""

from typing import NamedTuple


class Answer(NamedTuple):
    """The status and the text that belong to a code."""

    status: int
    message: str


# The supplier documents no status for some of the codes; those are marked with a star.
CODES: dict[str, Answer] = {
    "AUTH01": Answer(403, "No Authorization header"),
    "AUTH02": Answer(401, "Authorization failed"),
    "AUTH03": Answer(401, "IP address is not allowed"),
    "AUTH04": Answer(401, "No privilege for this method"),
    "CTTYPE": Answer(400, "Wrong Content-Type header"),  # *
    "BR01": Answer(400, "Invalid JSON"),
    "BR02": Answer(400, "Invalid JSON data"),
    "BR03": Answer(429, "Too many requests"),
    "BR04": Answer(400, "Product ID is not valid"),
    "BR08": Answer(400, "Invalid query parameters"),
    "WRONGURL": Answer(404, "Wrong URL"),  # *
    "API00": Answer(500, "Internal API failure"),
    "ERR99": Answer(500, "Internal server error"),
    "PR01": Answer(400, "Product ID is not valid"),
    "PR02": Answer(400, "Page is not valid"),
    "PR03": Answer(400, "minQty is not valid"),
    "PR04": Answer(400, "minPriceFrom is not valid"),
    "PR05": Answer(400, "minPriceTo is not valid"),
    "ORD01": Answer(400, "Order ID is not valid"),
    "ORD02": Answer(404, "Order not found"),
    "ORD03": Answer(403, "Payment is not ready yet, try again later"),
    "ORD04": Answer(400, "Key has been downloaded already"),
    "ORD004": Answer(400, "Key has been downloaded already"),
    "ORD05": Answer(402, "Payment is required"),
    "ORD06": Answer(400, "Order is not processed yet"),  # *
    "ORD110": Answer(400, "Payment could not be processed"),  # *
    "ORD111": Answer(404, "Details of the last transaction not found"),
    "ORD112": Answer(403, "Not enough funds"),
    "ORD113": Answer(404, "User is unknown"),
    "ORD114": Answer(403, "Too late to pay this order, make another one"),
    "ORD120": Answer(400, "Wrong answer from the payment provider"),  # *
    "ORD121": Answer(403, "Payment limit reached, contact support"),
    "ORD122": Answer(502, "Bad gateway"),
}


class Refusal(Exception):
    """The supplier refuses a call with one of its documented codes."""

    def __init__(self, code: str, *, status: int | None = None, message: str | None = None) -> None:
        answer = CODES[code]
        self.code = code
        self.status = status or answer.status
        self.message = message or answer.message
        super().__init__(f"{code}: {self.message}")


class Unusable(Exception):
    """A command to the simulator makes no sense; the text says why."""


class NoSuchProduct(Unusable):
    """Nothing with this id is on offer."""

    def __init__(self, product_id: int | str) -> None:
        super().__init__(f"There is no product {product_id}.")


class NoSuchOrder(Unusable):
    """There is no order with this id."""

    def __init__(self, order_id: str) -> None:
        super().__init__(f"There is no order {order_id}.")
