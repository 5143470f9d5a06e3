"""Parts of the OpenAPI document: responses, security, and how money is described."""

from decimal import Decimal
from typing import Any, Final

from litestar import Litestar
from litestar._openapi.schema_generation import SchemaCreator
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import OpenAPIType, Reference, Schema, SecurityScheme
from litestar.plugins import OpenAPISchemaPlugin
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition

from keyshop.entrypoints.http.requests import add_request_bodies
from keyshop.entrypoints.http.responses import ErrorBody

SECURITY_SCHEMES: Final[dict[str, SecurityScheme | Reference]] = {
    "Bearer": SecurityScheme(
        type="http",
        scheme="bearer",
        bearer_format="JWT",
        description="The access token that sign-in returns.",
    )
}
BEARER: Final = [{"Bearer": list[str]()}]
_ANONYMOUS: Final[dict[str, list[str]]] = {}
BEARER_OR_GUEST: Final = [*BEARER, _ANONYMOUS]

_ERROR_DESCRIPTIONS: Final = {
    400: "Invalid request.",
    401: "Authentication required.",
    403: "Not permitted.",
    404: "Not found.",
    405: "Method not allowed.",
    409: "Conflicts with the current state.",
    413: "The request body is larger than 100 kB.",
    415: "The request body is not sent as application/json.",
    422: "The Idempotency-Key was used for another request.",
    429: "Too many requests. Retry after the number of seconds in Retry-After.",
    500: "Internal error. The message contains the id under which it is logged.",
    503: "The database is unavailable. Try again later.",
}

_ETAG: Final = {
    "description": "The strong entity tag of the answer.",
    "schema": {"type": "string"},
}
_IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "Entity tags of answers that the client has.",
    "schema": {"type": "string"},
}


class MoneySchema(OpenAPISchemaPlugin):
    """Describes decimals as JSON numbers, which is how they are sent."""

    @staticmethod
    def is_plugin_supported_type(value: object) -> bool:
        return value is Decimal

    def to_openapi_schema(
        self, field_definition: FieldDefinition, schema_creator: SchemaCreator
    ) -> Schema:
        del field_definition, schema_creator
        return Schema(type=OpenAPIType.NUMBER)


def documented_responses(body: Any, *errors: int, status: int = 200) -> dict[int, ResponseSpec]:
    """
    Return the success with this body, and the errors, for a handler that encodes by itself.

    Every body that may be too large may also be of another type.
    """
    if 413 in errors:
        errors = (*errors, 415)
    return {
        status: ResponseSpec(body, description="Success.", generate_examples=False),
        **documented_errors(400, 500, 503, *errors),
    }


def documented_public_responses(body: Any, *errors: int) -> dict[int, ResponseSpec]:
    """Return `documented_responses`, for an answer with an entity tag."""
    unchanged = "Unchanged: If-None-Match names the entity tag of the current answer."
    return {
        **documented_responses(body, *errors),
        304: ResponseSpec(None, description=unchanged, generate_examples=False),
    }


def documented_errors(*statuses: int) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(
            ErrorBody, description=_ERROR_DESCRIPTIONS[status], generate_examples=False
        )
        for status in statuses
    }


def openapi_document(app: Litestar) -> dict[str, Any]:
    """Return the framework's document with the parts that it cannot know."""
    document = app.openapi_schema.to_schema()
    add_request_bodies(document, app)
    _add_summaries(document, app)
    _add_entity_tags(document)
    return document


def _add_entity_tags(document: dict[str, Any]) -> None:
    """Describe the headers of operations that may answer 304."""
    for path in document["paths"].values():
        for operation in path.values():
            if "304" in operation["responses"]:
                operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
                for status in ("200", "304"):
                    operation["responses"][status]["headers"] = {"ETag": _ETAG}


def _add_summaries(document: dict[str, Any], app: Litestar) -> None:
    """Let the first line of each handler's docstring be the summary of its operation."""
    for route in app.routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            docstring = handler.fn.__doc__
            if docstring:
                for method in handler.http_methods:
                    operation = document["paths"].get(route.path_format, {}).get(method.lower())
                    if operation:
                        operation["summary"] = docstring.strip().splitlines()[0]
