"""Writes into the OpenAPI document what endpoints read themselves, which the framework cannot see."""

from typing import Any, Final

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute

_BODY: Final = "body"

_Document = dict[str, Any]


def takes(shape: type[msgspec.Struct]) -> dict[str, object]:
    """Return a handler's `opt` that says which body it reads."""
    return {_BODY: shape}


def describe_bodies(document: _Document, app: Litestar) -> None:
    """Add the body of every endpoint that has one, and the shapes of the bodies."""
    shapes = set[type[msgspec.Struct]]()
    for route in app.routes:
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            shape = handler.opt.get(_BODY)
            if shape is not None:
                shapes.add(shape)
                for method in handler.http_methods:
                    operation = document["paths"].get(route.path_format, {})[method.lower()]
                    operation["requestBody"] = _body(shape)
    _, described = msgspec.json.schema_components(
        sorted(shapes, key=lambda shape: shape.__name__),
        ref_template="#/components/schemas/{name}",
    )
    document["components"]["schemas"].update(described)


def _body(shape: type[msgspec.Struct]) -> _Document:
    schema = {"$ref": f"#/components/schemas/{shape.__name__}"}
    return {"required": True, "content": {"application/json": {"schema": schema}}}
