"""The documentation of the API at /docs, from files of this package: it works offline."""

from functools import cache
from pathlib import Path
from typing import Any, Final

from litestar import Litestar, MediaType, Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.params import FromPath
from litestar.serialization import encode_json

from keyshop.entrypoints.api.pages.render import render
from keyshop.entrypoints.http.openapi import openapi_document
from keyshop.entrypoints.http.requests import ApiRequest

_FOLDER: Final = Path(__file__).parent / "static"

_MEDIA_TYPES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
}


class DocsPage(OpenAPIRenderPlugin):
    """Swagger UI from our own files, at the root of Litestar's documentation."""

    def __init__(self) -> None:
        super().__init__(path="/")
        self._page = render("docs.html").encode()

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """Return the page, which loads the document itself."""
        del request, openapi_schema
        return self._page


@get("/openapi.json", include_in_schema=False, media_type=MediaType.JSON)
async def openapi_file(request: ApiRequest) -> bytes:
    return _encoded_document(request.app)


@cache
def _encoded_document(app: Litestar) -> bytes:
    return encode_json(openapi_document(app))


@get("/docs/files/{name:str}", include_in_schema=False)
async def docs_file(name: FromPath[str]) -> Response[bytes]:
    """Return the script or the style sheet of the documentation."""
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
