"""JSON bodies of requests: their shapes, how they are read, and how OpenAPI describes them."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import msgspec
from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.routes import HTTPRoute
from msgspec import Meta, Struct

from keyshop.kit.errors import Invalid
from keyshop.orders.models import RequestedItem

ApiRequest: TypeAlias = Request[None, None, State]

MAX_BODY_SIZE: Final = 100 * 1024  # bytes

GAME_ID_REQUIRED: Final = "Game ID is required"
QUANTITY_REQUIRED: Final = "Quantity must be a whole number"
_INVALID_BODY: Final = "The request body is not valid JSON of the expected form."

# msgspec's error names the field with the wrong type this way.
_FIELD_PATH: Final = re.compile(r"`\$\.(\w+)")
# The escape \u0000, unless its backslash is itself escaped.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_NO_MESSAGES: Final[Mapping[str, str]] = {}

_BODY_OPTION: Final = "body"

_Shape = TypeVar("_Shape")


class InvalidBody(Invalid):
    """The body is not JSON, or does not have the form that the endpoint reads."""

    def __init__(self, message: str = _INVALID_BODY) -> None:
        super().__init__(message)


# Fields that an endpoint does not know are ignored.


class _SecretBody(Struct):
    """A body with secrets. Its repr leaves them out, since logs contain reprs."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class RegisterBody(_SecretBody, rename="camel"):
    """A new account."""

    email: str
    password: str
    nickname: str | None = None
    first_name: str | None = None
    last_name: str | None = None


class RefreshBody(_SecretBody, rename="camel"):
    """The refresh token to exchange for a new pair of tokens."""

    refresh_token: str


class ForgotPasswordBody(Struct):
    """The email address of the account."""

    email: str


class ResetPasswordBody(_SecretBody, rename="camel"):
    """The token of the mailed link and the new password."""

    token: str
    new_password: str


class VerifyEmailBody(_SecretBody):
    """The mailed code, which needs a sign-in, or the token of the mailed link."""

    code: str | None = None
    token: str | None = None


class ChangePasswordBody(_SecretBody, rename="camel"):
    """The current password and the new one."""

    current_password: str
    new_password: str


class AddCartItemBody(Struct, rename="camel"):
    """The game to add to the cart, and how many keys of it."""

    game_id: str = ""
    quantity: int = 1


class SetQuantityBody(Struct):
    """The new number of keys; zero or less removes the item."""

    quantity: int


class TopUpBody(Struct, rename="camel"):
    """The money to pay in; other fields, such as `promoCode`, are ignored."""

    # Unchecked here, because the decoder would take a text for a decimal.
    amount: Annotated[Any, Meta(extra_json_schema={"type": "number"})] = None
    currency: Annotated[Any, Meta(extra_json_schema={"enum": ["EUR"]})] = None
    payment_method: Annotated[
        Any, Meta(extra_json_schema={"enum": ["trustly", "card", "klarna", "apple"]})
    ] = None


class AddWishlistItemBody(Struct, rename="camel"):
    """The game to add to the wishlist."""

    game_id: str = ""


class CreateOrderBody(_SecretBody, rename="camel"):
    """The games to order, and a promo code."""

    items: list[RequestedItem]
    promo_code: str | None = None


class CancelOrderBody(Struct):
    """Why the customer cancels; nothing is sent where there is no reason."""

    reason: str | None = None


async def read_body(
    request: ApiRequest,
    shape: type[_Shape],
    *,
    message: str = _INVALID_BODY,
    field_messages: Mapping[str, str] = _NO_MESSAGES,
) -> _Shape:
    """
    Return the request's body; a string is never converted to a number.

    Litestar's own way converts what it can, and its error messages quote the decoder.

    Args:
        request: The request.
        shape: The type of the body.
        message: The error message of an invalid body.
        field_messages: The error message of a value of the wrong type, by the field's name.

    Raises:
        InvalidBody: the body does not have that shape.
    """
    body = await request.body()
    try:
        # The hook is for fields of any type: a float may not be exactly what was sent.
        decoded = msgspec.json.Decoder(shape, float_hook=Decimal).decode(body)
    except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError) as error:
        raise InvalidBody(_find_field_message(error, field_messages) or message) from None
    if _NUL.search(body):
        # PostgreSQL's text type cannot store it.
        raise InvalidBody(message)
    return decoded


def _find_field_message(error: Exception, field_messages: Mapping[str, str]) -> str | None:
    field = _FIELD_PATH.search(str(error)) if field_messages else None
    return field_messages.get(field.group(1)) if field else None


def request_body(shape: type[Struct]) -> dict[str, object]:
    """Return the `opt` of a handler that reads this body itself, for the OpenAPI document."""
    return {_BODY_OPTION: shape}


def add_request_bodies(document: dict[str, Any], app: Litestar) -> None:
    """Add to the OpenAPI document the bodies that Litestar cannot see in the signatures."""
    shapes = set[type[Struct]]()
    for route in app.routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            shape = handler.opt.get(_BODY_OPTION)
            if shape is not None:
                shapes.add(shape)
                for method in handler.http_methods:
                    operation = document["paths"].get(route.path_format, {})[method.lower()]
                    operation["requestBody"] = _request_body_object(shape)
    _, schemas = msgspec.json.schema_components(
        sorted(shapes, key=lambda shape: shape.__name__),
        ref_template="#/components/schemas/{name}",
    )
    document["components"]["schemas"].update(schemas)


def _request_body_object(shape: type[Struct]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{shape.__name__}"}
    return {"required": True, "content": {"application/json": {"schema": schema}}}
