"""
Errors of the simulator.

Refusal              the supplier refuses a call, with one of its codes
InvalidCommand       a command to the simulator is not valid
├── NoSuchProduct
└── NoSuchOrder
"""

from typing import NamedTuple


class ErrorResponse(NamedTuple):
    """The status and the message of a code."""

    status: int
    message: str


# The supplier documents no status for the codes with a star.
CODES: dict[str, ErrorResponse] = {
    "AUTH01": ErrorResponse(403, "No Authorization header"),
    "AUTH02": ErrorResponse(401, "Authorization failed"),
    "AUTH03": ErrorResponse(401, "IP address is not allowed"),
    "AUTH04": ErrorResponse(401, "No privilege for this method"),
    "CTTYPE": ErrorResponse(400, "Wrong Content-Type header"),  # *
    "BR01": ErrorResponse(400, "Invalid JSON"),
    "BR02": ErrorResponse(400, "Invalid JSON data"),
    "BR03": ErrorResponse(429, "Too many requests"),
    "BR04": ErrorResponse(400, "Product ID is not valid"),
    "BR08": ErrorResponse(400, "Invalid query parameters"),
    "WRONGURL": ErrorResponse(404, "Wrong URL"),  # *
    "API00": ErrorResponse(500, "Internal API failure"),
    "ERR99": ErrorResponse(500, "Internal server error"),
    "PR01": ErrorResponse(400, "Product ID is not valid"),
    "PR02": ErrorResponse(400, "Page is not valid"),
    "PR03": ErrorResponse(400, "minQty is not valid"),
    "PR04": ErrorResponse(400, "minPriceFrom is not valid"),
    "PR05": ErrorResponse(400, "minPriceTo is not valid"),
    "ORD01": ErrorResponse(400, "Order ID is not valid"),
    "ORD02": ErrorResponse(404, "Order not found"),
    "ORD03": ErrorResponse(403, "Payment is not ready yet, try again later"),
    "ORD04": ErrorResponse(400, "Key has been downloaded already"),
    "ORD004": ErrorResponse(400, "Key has been downloaded already"),
    "ORD05": ErrorResponse(402, "Payment is required"),
    "ORD06": ErrorResponse(400, "Order is not processed yet"),  # *
    "ORD110": ErrorResponse(400, "Payment could not be processed"),  # *
    "ORD111": ErrorResponse(404, "Details of the last transaction not found"),
    "ORD112": ErrorResponse(403, "Not enough funds"),
    "ORD113": ErrorResponse(404, "User is unknown"),
    "ORD114": ErrorResponse(403, "Too late to pay this order, make another one"),
    "ORD120": ErrorResponse(400, "Wrong answer from the payment provider"),  # *
    "ORD121": ErrorResponse(403, "Payment limit reached, contact support"),
    "ORD122": ErrorResponse(502, "Bad gateway"),
}


class Refusal(Exception):
    """The supplier refuses a call with one of its documented codes."""

    def __init__(self, code: str, *, status: int | None = None, message: str | None = None) -> None:
        response = CODES[code]
        self.code = code
        self.status = status or response.status
        self.message = message or response.message
        super().__init__(f"{code}: {self.message}")


class InvalidCommand(Exception):
    """A command to the simulator is not valid; the message says why."""


class NoSuchProduct(InvalidCommand):
    """No product with this id is on offer."""

    def __init__(self, product_id: int | str) -> None:
        super().__init__(f"There is no product {product_id}.")


class NoSuchOrder(InvalidCommand):
    def __init__(self, order_id: str) -> None:
        super().__init__(f"There is no order {order_id}.")
