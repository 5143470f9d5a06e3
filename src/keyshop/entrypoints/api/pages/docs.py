"""The API's documentation at /docs, from files of this package: it works without the internet."""

from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from litestar import Litestar, MediaType, Request, Response, get
from litestar._openapi.schema_generation import SchemaCreator
from litestar.exceptions import NotFoundException
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import FromPath
from litestar.plugins import OpenAPISchemaPlugin
from litestar.serialization import encode_json
from litestar.typing import FieldDefinition

from keyshop.entrypoints.http.describe_bodies import describe_bodies
from keyshop.entrypoints.http.errors import ApiRequest

_FOLDER: Final = Path(__file__).parent / "static"

_MEDIA_TYPES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}

_PAGE: Final = b"""<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>keyshop: the API</title>
  <link rel="icon" href="data:,">
  <link rel="stylesheet" href="/docs/files/swagger-ui.css">
</head>
<body style="margin: 0">
  <div id="docs"></div>
  <script src="/docs/files/swagger-ui-bundle.js"></script>
  <script>
    SwaggerUIBundle({url: "/openapi.json", dom_id: "#docs", deepLinking: true,
                     validatorUrl: null});
  </script>
</body>
</html>
"""


class DocsPage(OpenAPIRenderPlugin):
    """Swagger UI, served by ourselves."""

    def __init__(self) -> None:
        """Stand at the root of the framework's documentation."""
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the page; it fetches the document itself."""
        del request, openapi_schema
        return _PAGE


class MoneySchema(OpenAPISchemaPlugin):
    """Describes decimals as what they are on the wire: numbers."""

    @staticmethod
    def is_plugin_supported_type(value: object) -> bool:
        """Test whether this is about the type."""
        return value is Decimal

    def to_openapi_schema(
        self, field_definition: FieldDefinition, schema_creator: SchemaCreator
    ) -> Schema:
        """Return the description."""
        del field_definition, schema_creator
        return Schema(type=OpenAPIType.NUMBER)


@get("/openapi.json", include_in_schema=False, media_type=MediaType.JSON)
async def openapi_document(request: ApiRequest) -> bytes:
    """Return the description of every endpoint."""
    return _document(request.app)


@cache
def _document(app: Litestar) -> bytes:
    document = app.openapi_schema.to_schema()
    describe_bodies(document, app)
    return encode_json(document)


@get("/docs/files/{name:str}", include_in_schema=False)
async def docs_file(name: FromPath[str]) -> Response[bytes]:
    """Return a script or style sheet of the documentation."""
    if name not in _MEDIA_TYPES:
        raise NotFoundException
    return Response(
        _read(name),
        media_type=_MEDIA_TYPES[name],
        headers={"Cache-Control": "public, max-age=3600"},
    )


@cache
def _read(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()
